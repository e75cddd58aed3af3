"""A part of another package that is broken harms no other of its kind, and is named, whatever kind it is."""

import sys

import pytest

from prunus.data import DATA, load_data
from prunus.errors import InputError
from prunus.measure import RUNTIMES
from prunus.models import FAMILIES, MODELS, build_model
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.criteria import CRITERIA
from prunus.prune.evidence import EVIDENCE
from prunus.report import build_report
from prunus.report.pages import PAGES
from prunus.spec import Part
from prunus.sweep.executors import EXECUTORS
from prunus.train import AUGMENTATIONS, OPTIMIZERS
from report.made_study import Made, made_study

REGISTRIES = {
    registry.kind: registry
    for registry in (
        ALLOCATIONS, AUGMENTATIONS, CRITERIA, DATA, EVIDENCE, EXECUTORS, FAMILIES, MODELS, OPTIMIZERS, PAGES, PATTERNS,
        RUNTIMES, SCHEDULES,
    )
}  # fmt: skip
MODULE = """
from prunus.report.pages import Page
class Stranger: ...
class Empty(Page):
    title = "Nothing in it"
class Opening(Page):
    title = "Opens what is not there"
    def content(self, findings):
        return open("/no/such/file")
"""
BROKEN = {"stranger": "their_part:Stranger", "absent": "no_such_module:Part", "number": "their_part:__name__"}


@pytest.fixture
def plugged(tmp_path_factory, monkeypatch):
    """Installs a package with parts of a kind, and another one whose metadata cannot be read."""

    def plug(registry, **points):
        folder = tmp_path_factory.mktemp("packages")
        for package in ("others", "unreadable"):
            (folder / f"{package}-1.0.dist-info").mkdir()
            (folder / f"{package}-1.0.dist-info" / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {place}\n" for name, place in points.items())
        group = registry.kind.replace(" ", "_")
        (folder / "others-1.0.dist-info" / "entry_points.txt").write_text(f"[prunus.{group}]\n{lines}")
        (folder / "unreadable-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe\x00 no text")
        (folder / "their_part.py").write_text(MODULE)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "their_part", raising=False)
        for name, fresh in (("_parts", dict(registry._parts)), ("_broken", {}), ("_entry_points_loaded", False)):
            monkeypatch.setattr(registry, name, fresh)

    return plug


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_others_are_there_and_the_broken_ones_are_named(plugged, kind):
    registry = REGISTRIES[kind]
    sound = registry.names()
    plugged(registry, **BROKEN)
    assert registry.names() == sound
    assert set(registry.broken()) == set(BROKEN)
    for name in BROKEN:
        with pytest.raises(InputError, match=f"The {kind} '{name}' of an installed package cannot be used"):
            registry.get(name)


def test_networks_and_data_are_named_where_a_study_asks_for_them(plugged):
    for registry in (FAMILIES, MODELS, DATA):
        plugged(registry, **BROKEN)
    with pytest.raises(InputError, match="The model family 'stranger' of an installed package cannot be used"):
        build_model(Part(name="stranger:small"), (1, 8, 8), 10)
    with pytest.raises(InputError, match="The model 'stranger' of an installed package cannot be used"):
        build_model(Part(name="stranger"), (1, 8, 8), 10)
    with pytest.raises(InputError, match="The data set 'stranger' of an installed package cannot be used"):
        load_data(Part(name="stranger"))


def test_a_report_names_the_pages_that_cannot_be_made(plugged, tmp_path):
    plugged(PAGES, empty="their_part:Empty", opening="their_part:Opening", fine="no_such_module:Page")
    folder = made_study(tmp_path, Made(overrides=("rates=[0,0.5]", "seeds=[0]"), measured="none", instant=True))
    page = build_report(folder).read_text()
    for words in ("Empty has no content", "No such file or directory", "no_such_module", "Provenance"):
        assert words in page
