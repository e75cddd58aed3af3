"""Rows that cannot be true."""

from dataclasses import replace

import pytest

from prunus.report.failures import failures_info
from prunus.report.findings import Findings
from prunus.report.sanity import CHECKS, sane
from prunus.store import ClassRow, FileRow, LatencyRow, MemoryRow
from report.tiny import cost, epochs, layer, rows, trial

TRUE = {
    "trials": trial("s0"),
    "epochs": epochs("s0", 500)[0],
    "costs": cost("s0", 100, 50),
    "layers": layer("s0", 0, 40, 20, 4, 2),
    "classes": ClassRow("s0", 0, "a", 10, 5, 4, False),
    "files": FileRow("s0", "onnx", "a.onnx", 10, "0", None),
    "latencies": LatencyRow("s0", "torch", 1, 1, 0, 0.5),
    "memories": MemoryRow("s0", "torch", 1, 180, 100),
}
WRONG = {
    "trials": {"rate": 1.0},
    "epochs": {"test_correct": 1001},
    "costs": {"dense_macs": -1},
    "layers": {"empty_units": 5},
    "classes": {"correct_count": 11},
    "files": {"size_bytes": -1},
    "latencies": {"latency_ms": float("inf")},
    "memories": {"peak_bytes": -5},
}


@pytest.mark.parametrize("table", CHECKS)
def test_wrong_rows_are_left_out_and_said_to_be(table: str) -> None:
    good, bad = TRUE[table], replace(TRUE[table], **WRONG[table])
    tables = {"trials": (good, bad)} if table == "trials" else {"trials": (), table: (good, bad)}
    cleaned = sane(rows(**tables))
    assert getattr(cleaned, table) == (good,)
    (problem,) = cleaned.problems
    assert problem.message == f"1 of 2 rows of the table '{table}' cannot be true and were left out"


def test_true_rows_all_stay() -> None:
    study = rows(**{name: (row,) for name, row in TRUE.items()})
    assert sane(study) == study


def test_the_report_lists_what_was_left_out() -> None:
    findings = Findings(rows(epochs=(replace(epochs("s0", 500)[0], test_total=0),)))
    assert [problem.kind for problem in failures_info(findings).problems] == ["wrong rows"]
