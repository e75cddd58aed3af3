"""The whole report, of studies of every kind."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from prunus.errors import StoreError
from prunus.report.build import build_report
from prunus.report.pages import PAGES
from report.made_study import Made, made_study

STUDIES = {
    "as digits": Made(failed=(7,), running=(19,)),
    "complete": Made(),
    "one seed": Made(overrides=("seeds=[0]",)),
    "one rate": Made(overrides=("rates=[0.5]",)),
    "only unpruned": Made(overrides=("rates=[0]",)),
    "no measurement": Made(measured="none"),
    "all seeds measured": Made(overrides=("seeds=[0,1]",), measured="all"),
    "all failed": Made(failed=tuple(range(63))),
    "nothing started": Made(waiting=tuple(range(63))),
    "all running": Made(running=tuple(range(63))),
    "unpruned failed": Made(failed=(0, 21, 42)),
    "no epochs": Made(overrides=("training.epochs=0",)),
    "one epoch": Made(overrides=("training.epochs=1",)),
    "one recipe": Made(overrides=('recipes=["structured"]', "seeds=[0,1]")),
    "many rates": Made(overrides=(f"rates={[i / 20 for i in range(20)]}", "seeds=[0,1]")),
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_whole_report(name: str, tmp_path: Path) -> None:
    page = build_report(made_study(tmp_path, STUDIES[name]))
    text = page.read_text()
    assert page == tmp_path / "report.html"
    assert "data-failed" not in text
    assert "could not be drawn" not in text
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S))
    assert [anchor for anchor in PAGES if f'<section id="{anchor}"' not in text] == []
    assert len(page.read_bytes()) < 1_000_000


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


def test_equal_rows_give_equal_bytes(digits: Path) -> None:
    first = build_report(digits).read_bytes()
    figure = (digits / "figures" / "accuracy-bops.svg").read_bytes()
    assert build_report(digits).read_bytes() == first
    assert (digits / "figures" / "accuracy-bops.svg").read_bytes() == figure


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no study"):
        build_report(tmp_path)
