"""What is given by mistake is one clear sentence, and none of Python's own errors."""

import pytest
import torch
from torch import nn

import prunus
import prunus.sparse
from prunus.errors import InputError
from prunus.sparse.native import missing

X = torch.randn(4, 8)


def network():
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)).eval()


MISTAKES = {
    "'protect' is None": lambda _: prunus.prune_channels(network(), X, 0.5, protect=None),
    "'protect' is [0]": lambda _: prunus.prune_channels(network(), X, 0.5, protect=[0]),
    "outputs=3.5 names no output": lambda _: prunus.prune_channels(network(), X, 0.5, outputs=3.5),
    "outputs=[None] names no output": lambda _: prunus.channel_groups(network(), X, outputs=[None]),
    "outputs=True names no output": lambda _: prunus.Pruner(network(), "structured", X, outputs=True),
    "The state is not of this pruner": lambda _: prunus.Pruner(network(), "structured", X, state={"a": 1}),
    "it is a folder": lambda folder: prunus.save(network(), folder),
    "there is no folder": lambda folder: prunus.save(network(), folder / "none" / "a.safetensors"),
    "None is no path": lambda _: prunus.save(network(), None),
    "type Sequential makes no network": lambda folder: prunus.load(saved(folder), network()),
    "type str makes no network": lambda folder: prunus.load(saved(folder), "network"),
    "type tuple is no data set": lambda _: prunus.measure_sensitivity(network(), (X, X)),
}


def saved(folder):
    prunus.save(prunus.prune_channels(network(), X, 0.5).model, folder / "a.safetensors")
    return folder / "a.safetensors"


@pytest.mark.parametrize("said", MISTAKES)
def test_a_wrong_argument_is_said_in_one_sentence(said, tmp_path):
    with pytest.raises(InputError) as error:
        MISTAKES[said](tmp_path)
    assert said.lower() in str(error.value).lower()
    assert not list(tmp_path.glob(".*"))  # nothing half-written is left


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("threads", [0, 1.5, "2", None])
def test_threads_of_an_engine_are_a_number(threads):
    with pytest.raises(InputError, match=f"An engine cannot run with {threads!r} threads"):
        prunus.sparse.compile(network(), X, threads)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_an_engine_is_saved_in_a_file_and_timed_by_runs(tmp_path):
    engine = prunus.sparse.compile(network(), X)
    with pytest.raises(InputError, match="it is a folder".capitalize()):
        engine.save(tmp_path)
    with pytest.raises(InputError, match="Times of 0 runs"):
        engine.explain(runs=0)
