"""What the pages list is what there is: parts of recipes, sections of the report, commands, groups of entry points."""

import re
import typing
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from prunus.cli.main import app
from prunus.data import DATA
from prunus.measure import RUNTIMES
from prunus.models.source import FAMILIES, MODELS
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.criteria import CRITERIA
from prunus.prune.evidence import EVIDENCE
from prunus.report.metric import StudyMetric
from prunus.report.pages import PAGES
from prunus.spec import Measurement, Metric, Recipe, load_study
from prunus.sweep.executors import EXECUTORS
from prunus.sweep.resolve import resolve
from prunus.tracking import TRACKERS
from prunus.train import AUGMENTATIONS, OPTIMIZERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "guide.md").read_text()
METHODS = (ROOT / "docs" / "methods.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
PERMANENCES = typing.get_args(Recipe.model_fields["permanence"].annotation)
PARTS = {
    "pattern": PATTERNS.names(),
    "criterion": CRITERIA.names(),
    "allocation": ALLOCATIONS.names(),
    "schedule": SCHEDULES.names(),
    "permanence": PERMANENCES,
}
REGISTRIES = [
    *(ALLOCATIONS, AUGMENTATIONS, CRITERIA, DATA, EVIDENCE, EXECUTORS, FAMILIES, MODELS, OPTIMIZERS, PAGES, PATTERNS),
    *(RUNTIMES, SCHEDULES, TRACKERS),
]


def section(page, title):
    return re.split(r"^## ", page.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def cells(text, first):
    """The cells of the row that begins with `first`."""
    (row,) = re.findall(rf"^\| `?{re.escape(first)}`? \|(.*)\|$", text, flags=re.MULTILINE)
    return row


def quoted(text):
    return re.findall(r"`([\w-]+)`", text)


@pytest.mark.parametrize("key", PARTS)
def test_the_guide_names_every_part_of_a_recipe(key):
    row = cells(section(GUIDE, "Recipes"), key).rpartition(" | ")[2]
    settings = {"floor", "at", "begin", "end"}
    assert sorted(set(quoted(row)) - settings) == sorted(PARTS[key])


@pytest.mark.parametrize("key", PARTS)
def test_the_protocol_names_parts_that_there_are(key):
    assert set(quoted(cells(section(PROTOCOL, "Words"), key))) <= set(PARTS[key])


def test_the_guide_names_the_sections_of_the_report_in_order():
    rows = re.findall(r"^\| ([A-Z][^|]*?) \|", section(GUIDE, "Reading the report"), flags=re.MULTILINE)
    assert rows == [StudyMetric(Metric()).filled(PAGES.get(name).title) for name in PAGES.names()]


def test_the_guide_says_which_runtimes_are_measured_by_default():
    (told,) = re.findall(r"^runtimes = .*# by default \[(.*?)\]", GUIDE, flags=re.MULTILINE)
    assert re.findall(r'"(\w+)"', told) == list(Measurement().runtimes)
    assert set(Measurement().runtimes) <= set(RUNTIMES.names())


def test_the_guide_names_every_group_of_entry_points():
    told = set(re.findall(r"`prunus\.(\w+)`", section(GUIDE, "A criterion of your own").split("Whatever else")[1]))
    assert told | {"criterion"} == {registry.kind.replace(" ", "_") for registry in REGISTRIES}


def test_the_contents_of_the_guide_are_its_headings():
    contents, *_ = GUIDE.split("\n## ")
    told = re.findall(r"^- \[(.*?)\]\(#", contents, flags=re.MULTILINE)
    assert told == re.findall(r"^## (.*)$", GUIDE, flags=re.MULTILINE)


def test_the_readme_names_every_command():
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    told = re.findall(r"`prunus (\w+)", section(README, "Commands"))
    assert sorted(told) == sorted(group.commands)


@pytest.mark.parametrize("page", [README, GUIDE], ids=["README", "guide"])
def test_the_study_has_as_many_trials_as_is_told(page):
    told = set(
        re.findall(r"\b(\d+) trials\b", page.split("\n## What was found")[0].split("\n## A study of your own")[0])
    )
    assert told == {str(len(resolve(load_study("digits")).trials()))}


def test_the_methods_tell_of_every_kind_of_control():
    controls = section(METHODS, "Controls")
    kinds = ["random", "dense", "dense_longer"]
    assert [kind for kind in kinds if f"**{kind}**" not in controls] == []
