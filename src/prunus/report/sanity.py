"""Rows that cannot be true are left out before anything is worked out, and the report says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prunus.store.rows import ProblemRow
from prunus.store.study_rows import StudyRows

LARGEST = 2.0**62
"""No count is larger, and squares of numbers up to it are far from overflowing."""


def sane(rows: StudyRows) -> StudyRows:
    """The rows that can be true; each table that had others gets a problem that tells how many."""
    kept: dict[str, Any] = {}
    problems = []
    checks = CHECKS | {"epochs": _epoch_of_accuracy} if rows.study.metric.name == "accuracy" else CHECKS
    for name, can_be_true in checks.items():
        before = getattr(rows, name)
        kept[name] = tuple(row for row in before if can_be_true(row))
        if wrong := len(before) - len(kept[name]):
            message = f"{wrong} of {len(before)} rows of the table {name!r} cannot be true and were left out"
            problems.append(ProblemRow(None, "report", "wrong rows", message))
    return replace(rows, **kept, problems=(*rows.problems, *problems))


def _counts(row: Any, *names: str) -> bool:
    return all(0 <= getattr(row, name) <= LARGEST for name in names)


def _share(value: float | None) -> bool:
    return value is None or 0 <= value <= 1


def _deviation(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and 0 <= value <= LARGEST)


def _epoch(row: Any) -> bool:
    return _counts(row, "epoch") and _answers(row) and _share(row.sparsity)


def _epoch_of_accuracy(row: Any) -> bool:
    return _epoch(row) and not (row.metric < 0 or row.metric > 1)


def _answers(row: Any) -> bool:
    """Either no answers are counted, or all and the right ones, which are no more."""
    if row.test_correct is None or row.test_total is None:
        return row.test_correct is row.test_total
    return _counts(row, "test_correct", "test_total") and 0 < row.test_total >= row.test_correct


def _cost(row: Any) -> bool:
    names = ("parameters", "nonzero_parameters", "prunable_weights", "nonzero_weights")
    work = ("dense_macs", "effective_macs", "dense_bops", "effective_bops")
    return _counts(row, *names, *work) and _deviation(row.shrink_deviation)


def _layer(row: Any) -> bool:
    names = ("position", "weights", "nonzero_weights", "units", "empty_units")
    work = ("dense_macs", "effective_macs", "dense_bops", "effective_bops")
    return _counts(row, *names, *work) and row.empty_units <= row.units and _share(row.rate)


def _class(row: Any) -> bool:
    counts = _counts(row, "class_index", "test_count", "predicted_count", "correct_count")
    return counts and row.correct_count <= row.test_count


def _latency(row: Any) -> bool:
    return _counts(row, "batch_size", "threads", "round") and 1e-9 < row.latency_ms < 1e12


CHECKS: dict[str, Callable[[Any], bool]] = {
    "trials": lambda row: 0 <= row.rate < 1 and (row.checkpoint_epoch is None or 0 <= row.checkpoint_epoch <= LARGEST),
    "epochs": _epoch,
    "costs": _cost,
    "layers": _layer,
    "classes": _class,
    "files": lambda row: _counts(row, "size_bytes") and _deviation(row.deviation),
    "latencies": _latency,
    "memories": lambda row: _counts(row, "batch_size", "peak_bytes", "baseline_bytes"),
}
