"""A second or two of fuzzing for every reader, and all that longer runs have found."""

import random
import time

import pytest

from fuzz.mutating import mutated
from fuzz.targets import CORPUS, MOST_BYTES, TARGETS
from security.confined import confined

SECONDS = 1.5
ROOM_BYTES = 256 << 20
WHOLE: dict[str, list[bytes]] = {}
OWN_CHILD = ("onnx",)
"""Read in a child of their own, which a reader may start."""

KEPT = sorted(CORPUS.glob("*/*"))


@pytest.fixture(scope="module", autouse=True)
def everything_imported(tmp_path_factory):
    """So that no fork of this process imports or makes inputs, which writes and takes memory and time."""
    for name, target in TARGETS.items():
        WHOLE[name] = target.inputs(name)
        target.try_one(WHOLE[name][0], tmp_path_factory.mktemp("first"))


def read(name, contents, folder):
    """Read them in a process of its own; what is wrong with one is raised there."""
    at_hand = folder.parent / f"{folder.name}.input"

    def act():
        for content in contents:
            at_hand.write_bytes(content)
            TARGETS[name].try_one(content, folder)

    verdict = confined(act, folder.parent)
    assert (verdict.kind, verdict.signal) == ("", 0), (verdict, at_hand)
    assert verdict.forbidden == [] or name in OWN_CHILD, (verdict, at_hand)
    assert verdict.peak_bytes < ROOM_BYTES, (verdict, at_hand)


def some(name):
    """Inputs for so long as they may take, the same ones in the same order."""
    target, whole, draw = TARGETS[name], WHOLE[name], random.Random(name)
    yield from whole
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        yield target.refit(mutated(draw.choice(whole), whole, draw, MOST_BYTES))


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_changed_is_read_or_one_error(name, tmp_path):
    (tmp_path / "place").mkdir()
    read(name, some(name), tmp_path / "place")


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_read_or_one_error(path, tmp_path):
    (tmp_path / "place").mkdir()
    read(path.parent.name, [path.read_bytes()], tmp_path / "place")
