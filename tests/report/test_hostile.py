"""Names and numbers that nobody would write, in every row."""

from __future__ import annotations

import csv
import math
import random
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from prunus.report.build import build_report
from prunus.report.content import charts_in
from prunus.report.drawing import png, styled, svg
from prunus.report.findings import Findings
from prunus.report.pages import PAGES
from prunus.report.palette import Palette
from prunus.store import StudyRows
from report.changed import with_recipes
from report.hostile_names import PAYLOADS, hostile


class Elements(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("name", PAYLOADS)
def test_names_are_text_wherever_they_appear(name: str, tmp_path: Path) -> None:
    text = build_report(hostile(tmp_path / "study", PAYLOADS[name])).read_text()
    page = Elements()
    page.feed(text)
    assert "data-failed" not in text
    assert "could not be drawn" not in text
    assert (page.tags.count("script"), page.tags.count("style"), page.tags.count("img")) == (1, 1, 0)
    assert not [key for key, _ in page.attributes if key.startswith("on") or key == "style"]
    assert all(value == "data:," or (value or "#").startswith("#") for key, value in page.attributes if key == "href")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]", text)
    assert len(text.encode()) < 1_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


def test_cells_of_text_never_start_a_formula(tmp_path: Path) -> None:
    folder = hostile(tmp_path, "=1+1;@SUM")
    build_report(folder)
    cells = 0
    for path in (folder / "tables").rglob("*.csv"):
        with path.open(newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                cells += 1
                assert not cell.startswith(("=", "@", "\t", "\r")), (path.name, cell)
                assert not cell.startswith(("+", "-")) or is_number(cell), (path.name, cell)
    assert cells > 500


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


EXTREMES = {
    float: (0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, 5e-324),
    int: (0, -1, 1, 2**62, -(2**62)),
    str: ("", "\x00", "NaN", "🌸" * 300, "{", "[[[[", "null"),
    bool: (True, False),
}
UNTOUCHED = {"trial", "status", "pattern"}


def wild(rows: StudyRows, seed: int, share: float) -> StudyRows:
    """Some fields of some rows replaced by extremes; None where a field may be None."""
    chance = random.Random(seed)

    def changed(row: Any) -> Any:
        hints = get_type_hints(type(row))
        updates = {}
        for field in fields(row):
            if field.name not in UNTOUCHED and chance.random() < share:
                kind = next((kind for kind in EXTREMES if str(kind.__name__) in str(hints[field.name])), str)
                options = (*EXTREMES[kind], *([None] if "None" in str(hints[field.name]) else []))
                updates[field.name] = chance.choice(options)
        return replace(row, **updates)

    names = ("trials", "epochs", "costs", "layers", "classes", "files", "latencies", "memories", "problems", "sessions")
    return replace(rows, **{name: tuple(changed(row) for row in getattr(rows, name)) for name in names})


@pytest.mark.parametrize("seed", range(9))
def test_no_page_fails_over_wild_values(seed: int, complete: StudyRows) -> None:
    some = with_recipes(complete, "reference-structured", "structured")
    findings = Findings(wild(some, seed, share=(0.002, 0.05, 0.5)[seed % 3]))
    palette = Palette(findings.rates, tuple(recipe.name for recipe in findings.recipes))
    pages = [PAGES.get(name)().content(findings) for name in PAGES.names()]
    with styled():
        for chart in charts_in([block for page in pages for block in page]):
            drawing = chart.draw(palette)
            assert svg(drawing)
            if seed < 3:
                assert png(drawing)
