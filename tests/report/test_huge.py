"""A study of a thousand trials."""

from __future__ import annotations

import gc
import time
from pathlib import Path

from prunus.report.achieved import achieved_info
from prunus.report.build import build_report
from prunus.report.findings import Findings
from prunus.report.layers import layers_info
from prunus.report.summary import summary_info
from prunus.store import read_study
from report.made_study import Made, made_study


def test_a_thousand_trials_are_drawn_within_five_seconds(tmp_path: Path) -> None:
    """Processor time, so that whoever else uses the machine does not matter."""
    rates = [round(index / 41, 4) for index in range(41)]
    overrides = (f"rates={rates}", "seeds=[0,1,2,3,4]", "training.epochs=20")
    folder = made_study(tmp_path, Made(overrides=overrides, measured="none", instant=True))
    seconds = min(_drawing_seconds(folder) for _ in range(2))  # the first one imports, and collects others' garbage
    text = build_report(folder).read_text()
    assert "1,005 of 1,005 trials" in text or "1005 of 1,005 trials" in text
    assert "data-failed" not in text
    assert len(text.encode()) < 1_000_000
    assert seconds < 5


def _drawing_seconds(folder: Path) -> float:
    begin = time.process_time()
    build_report(folder)
    return time.process_time() - begin


def seconds_per_seed(folder: Path, seeds: int) -> float:
    """Processor time of what looks at every layer of every trial."""
    overrides = ('recipes=["structured"]', "rates=[0,0.5]", f"seeds={list(range(seeds))}", "training.epochs=0")
    made_study(folder, Made(overrides=overrides, measured="none"))
    return min(_seconds(folder) for _ in range(3)) / seeds


def _seconds(folder: Path) -> float:
    findings = Findings(read_study(folder))
    gc.collect()
    gc.disable()  # a collection looks through all that earlier tests have left in this process
    try:
        begin = time.process_time()
        assert layers_info(findings)
        assert achieved_info(findings)
        assert summary_info(findings)
        return time.process_time() - begin
    finally:
        gc.enable()


def test_the_cost_of_a_trial_does_not_grow_with_their_number(tmp_path: Path) -> None:
    assert seconds_per_seed(tmp_path / "many", 800) < 3 * seconds_per_seed(tmp_path / "few", 100)  # a square: 8 times


def test_many_recipes_are_tables_where_they_are_no_figures(tmp_path: Path) -> None:
    names = [f"own-{index:02d}" for index in range(30)]
    text = "\n".join(
        [
            f"recipes = {names}",
            "rates = [0, 0.5, 0.8]",
            "seeds = [0, 1]",
            'model = "vgg-digits"',
            'data = "digits"',
            "[training]",
            "epochs = 4",
            *(f'[recipe.{name}]\nlike = "structured"' for name in names),
        ]
    )
    source = tmp_path / "many.toml"
    source.write_text(text)
    page = build_report(made_study(tmp_path / "study", Made(source=str(source)))).read_text()
    assert "24 recipes more are in a table only" in page
    assert page.count('<figure id="figure-curves-') == 6
    assert "own-29" in (tmp_path / "study" / "tables" / "more-curves.csv").read_text()
    assert len(page.encode()) < 1_000_000
