"""A page of measured numbers says at its top with which version and on which processor they were measured."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = sorted((DOCS / "results").glob("*.md"))
PROCESSOR = re.compile(r"AMD|Intel|ARM")


def test_there_are_results():
    assert len(RESULTS) >= 6


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.stem)
def test_the_top_names_version_and_processor(page):
    _, line, *_ = page.read_text().split("\n\n")
    assert re.match(r"\*Measured with prunus (before )?\d+\.\d+\.\d+\b", line), line
    assert PROCESSOR.search(line)


@pytest.mark.parametrize("page", [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"], ids=lambda page: page.stem)
def test_a_page_with_measured_times_names_a_processor(page):
    if page.stem != "decisions" and re.search(r"\btimes (faster|as fast)|\d s with \d", page.read_text()):
        assert PROCESSOR.search(page.read_text())
