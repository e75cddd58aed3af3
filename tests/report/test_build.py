"""The whole report, of studies of every kind."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import ClassVar

import pytest

from prunus.errors import StoreError
from prunus.report.build import build_report
from prunus.report.content import Block, Chart, Page, Paragraph
from prunus.report.drawing import Drawing
from prunus.report.findings import Findings
from prunus.report.forms import NAME
from prunus.report.pages import PAGES
from prunus.report.tables import Column, Table
from report.made_study import Made, made_study

SMALL = ('recipes=["reference-structured","structured"]', "rates=[0,0.8]", "seeds=[0,1]", "training.epochs=6")
EVERY = tuple(range(6))
STUDIES = {
    "as digits": Made(failed=(7,), running=(19,)),
    "one seed": Made(overrides=(*SMALL, "seeds=[0]")),
    "one rate": Made(overrides=(*SMALL, "rates=[0.5]")),
    "only unpruned": Made(overrides=(*SMALL, "rates=[0]")),
    "no measurement": Made(overrides=SMALL, measured="none"),
    "all seeds measured": Made(overrides=SMALL, measured="all"),
    "all failed": Made(overrides=SMALL, failed=EVERY),
    "nothing started": Made(overrides=SMALL, waiting=EVERY),
    "all running": Made(overrides=SMALL, running=EVERY),
    "unpruned failed": Made(overrides=SMALL, failed=(0, 3)),
    "no epochs": Made(overrides=(*SMALL, "training.epochs=0")),
    "one epoch": Made(overrides=(*SMALL, "training.epochs=1")),
    "one recipe": Made(overrides=(*SMALL, 'recipes=["structured"]')),
    "many rates": Made(overrides=(f"rates={[i / 20 for i in range(20)]}", "seeds=[0,1]", "training.epochs=20")),
}


ANCHORS = [
    "summary",
    "networks",
    "accuracy",
    "accuracy-lost",
    "bops",
    "measurements",
    "discussion",
    "diagnoses",
    "provenance",
]


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_whole_report(name: str, tmp_path: Path) -> None:
    page = build_report(made_study(tmp_path, STUDIES[name]))
    text = page.read_text()
    assert page == tmp_path / "report.html"
    assert "data-failed" not in text
    assert "could not be drawn" not in text
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S))
    assert re.findall(r'<section id="([^"]+)"', text) == ANCHORS
    assert len(page.read_bytes()) < 1_500_000


def test_figures_and_tables_are_files_too(digits: Path) -> None:
    text = build_report(digits).read_text()
    names = re.findall(r'<figure id="figure-([^"]+)"', text)
    assert len(names) >= 9
    for name in names:
        assert (digits / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        assert (digits / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with (digits / "tables" / "rows" / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 61 * 50 + 16 + 25
    assert {row["test_total"] for row in rows} == {"360"}


def test_equal_rows_give_equal_bytes(small: Path) -> None:
    first = build_report(small).read_bytes()
    figure = (small / "figures" / "accuracy-bops.svg").read_bytes()
    assert build_report(small).read_bytes() == first
    assert (small / "figures" / "accuracy-bops.svg").read_bytes() == figure


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no study"):
        build_report(tmp_path)


class OwnPage(Page):
    """A page of a third party."""

    title: ClassVar[str] = "My <own> page"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        return (Paragraph(f"{len(findings.rows.trials)} <trials>"),)


class RaisingPage(OwnPage):
    """A page that cannot be made."""

    def content(self, findings: Findings) -> tuple[Block, ...]:
        raise ZeroDivisionError("<b>nothing</b> to divide by")


class CrookedPage(OwnPage):
    """A page whose table has a cell too many."""

    def content(self, findings: Findings) -> tuple[Block, ...]:
        return (Table("crooked", "Crooked", (Column("recipe", NAME),), (("a", "b"),)),)


class UndrawablePage(OwnPage):
    """A page whose figure cannot be drawn."""

    def content(self, findings: Findings) -> tuple[Block, ...]:
        def draw(palette: object) -> Drawing:
            raise ValueError("no such colour")

        table = Table("numbers", "Numbers", (Column("recipe", NAME),), (("a",),))
        return (Chart("mine", "Mine", "What cannot be drawn", draw, table),)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Made(overrides=("rates=[0,0.8]", "seeds=[0]", "training.epochs=2", 'recipes=["structured"]'))
    return made_study(tmp_path_factory.mktemp("small"), made)


def with_page(monkeypatch: pytest.MonkeyPatch, page: type[Page], folder: Path) -> str:
    monkeypatch.setattr(PAGES, "_parts", {**PAGES._parts, "my own": page})
    return build_report(folder).read_text()


def test_a_page_of_a_third_party_is_a_page_like_any_other(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    text = with_page(monkeypatch, OwnPage, small)
    assert '<h2 id="my-own-heading">My &lt;own&gt; page</h2>' in text
    assert "<p>2 &lt;trials&gt;</p>" in text
    assert "data-failed" not in text


@pytest.mark.parametrize(("page", "reason"), [(RaisingPage, "ZeroDivisionError"), (CrookedPage, "ValueError")])
def test_a_page_that_cannot_be_made_says_so_in_its_place(
    page: type[Page], reason: str, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    text = with_page(monkeypatch, page, small)
    assert text.count("data-failed") == 1
    assert f"This page could not be made of the study&#39;s rows: {reason}" in text.replace("study's", "study&#39;s")
    assert "<b>nothing" not in text
    assert all(f'<section id="{anchor}"' in text for anchor in ("summary", "provenance", "my-own"))


def test_a_figure_that_cannot_be_drawn_leaves_its_table(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    text = with_page(monkeypatch, UndrawablePage, small)
    assert text.count("This figure could not be drawn") == 1
    assert "<caption>Numbers</caption>" in text
    assert "data-failed" not in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_one_clear_sentence(small: Path) -> None:
    small.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            build_report(small)
    finally:
        small.chmod(0o700)


def test_a_file_where_a_folder_should_be_is_one_clear_sentence(tmp_path: Path) -> None:
    folder = made_study(tmp_path, Made(overrides=("rates=[0]", "seeds=[0]", "training.epochs=1")))
    (folder / "figures").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written"):
        build_report(folder)
