"""docs/methods.md has a paragraph for every registered part, and names every target and setting of a latency."""

from pathlib import Path

import pytest

from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.allocations.allocation import TARGETS
from prunus.prune.criteria import CRITERIA

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
SECTIONS = {"Criteria": CRITERIA, "Patterns": PATTERNS, "Allocations": ALLOCATIONS, "Schedules": SCHEDULES}


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "name"), [(title, name) for title, registry in SECTIONS.items() for name in registry.names()]
)
def test_every_part_has_its_paragraph(title, name):
    paragraph = next(text for text in section(title).split("\n\n") if f"**{name}**" in text)
    words = paragraph.split(f"**{name}**")[1].split()
    assert len(words) >= 6, paragraph


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_told_of(name):
    assert f"`{name}" in section("Allocations")


@pytest.mark.parametrize("name", CRITERIA.names())
def test_every_criterion_says_for_which_patterns_it_is(name):
    paragraph = next(text for text in section("Criteria").split("\n\n") if f"**{name}**" in text)
    for pattern in CRITERIA.get(name).patterns or ("every pattern",):
        assert pattern in paragraph.lower()
