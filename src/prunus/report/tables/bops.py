"""Bit operations of every curve."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    ACCURACY_INTERVAL,
    NAME,
    PERCENT,
    PREFIXED,
    RATE,
    TEXT,
    TIMES,
)
from prunus.report.tables.words import recipe_name


def bops_table(findings: Findings) -> Table:
    """A row per recipe and rate, the unpruned network first."""
    rows = tuple(
        (
            recipe_name(cost.recipe),
            cost.rate,
            cost.dense_bops,
            cost.dense_bops_share,
            cost.effective_bops,
            cost.effective_bops_share,
            cost.theoretical_speedup,
            _front(cost.on_dense_front, cost.on_effective_front),
            cost.accuracy,
        )
        for cost in findings.costs
    )
    return Table(
        "bops",
        "BOPs of every curve, for one input",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("dense BOPs", PREFIXED, "computed"),
            Column("dense, % of unpruned", PERCENT, "computed"),
            Column("effective BOPs", PREFIXED, "computed"),
            Column("effective, % of unpruned", PERCENT, "computed"),
            Column("theoretical speed-up", TIMES, "computed"),
            Column("on Pareto front", TEXT),
            Column("accuracy, %", ACCURACY_INTERVAL, "measured"),
        ),
        rows,
    )


def _front(dense: bool, effective: bool) -> str:
    return ", ".join(name for name, on in (("dense", dense), ("effective", effective)) if on)
