"""Numbers that are not finite, in every column of every table: the report, the tables and `show` say what they can."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from prunus.report import build_report
from prunus.report.findings import Findings
from prunus.report.summary import summary_info
from prunus.store import (
    CostRow,
    EpochRow,
    FileRow,
    LatencyRow,
    LayerRow,
    MetricRow,
    Store,
    StudyRows,
    TrialRow,
    read_result,
    read_study,
    write_result,
)

NOT_FINITE = (math.nan, math.inf, -math.inf)
COLUMNS = {
    TrialRow: ("seconds",),
    EpochRow: ("train_loss", "test_loss", "sparsity", "learning_rate", "seconds", "metric"),
    MetricRow: ("value",),
    CostRow: ("shrink_deviation",),
    LayerRow: ("rate",),
    FileRow: ("deviation",),
    LatencyRow: ("latency_ms",),
}


def strict(text: str) -> Any:
    """JSON as all programs read it."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_every_column_of_numbers_is_named_here() -> None:
    for row, columns in COLUMNS.items():
        numbers = {field.name for field in fields(row) if "float" in str(field.type)}
        assert numbers - {"rate"} <= set(columns)


def test_a_store_and_a_result_file_give_back_what_they_were_given(complete: StudyRows, tmp_path: Path) -> None:
    for value in NOT_FINITE:
        row = replace(complete.epochs[0], train_loss=value, test_loss=-value)
        timed = LatencyRow(row.trial, "torch", 1, 1, 0, value)
        write_result(tmp_path / "result.json", [row, timed])
        for found in read_result(tmp_path / "result.json"):
            assert repr(found) in (repr(row), repr(timed))
        with Store(tmp_path, create=True) as store:
            with store.transaction():
                store.put([row, timed])
            assert list(map(repr, (*store.rows(EpochRow), *store.rows(LatencyRow)))) == [repr(row), repr(timed)]


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("share", [1, 3], ids=["all", "a third"])
def test_a_report_is_made_and_show_writes_json(
    digits: Path, tmp_path: Path, value: float, share: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from prunus.cli.show import show

    folder = shutil.copytree(digits, tmp_path / "study")
    with Store(folder) as store, store.transaction():
        for kind, columns in COLUMNS.items():
            store.put([replace(row, **dict.fromkeys(columns, value)) for row in store.rows(kind)[::share]])
    assert "data-failed" not in build_report(folder).read_text()
    show(folder, as_json=True)
    assert strict(capsys.readouterr().out)["trials"]["planned"]
    show(folder, as_csv=True)
    show(folder)
    assert summary_info(Findings(read_study(folder)))
