"""The rate asked for beside what was achieved."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    NAME,
    PERCENT,
    RATE,
    TEXT,
)
from prunus.report.tables.words import recipe_name


def achieved_table(findings: Findings) -> Table:
    """A row per recipe and rate; all shares in percent."""
    rows = tuple(
        (
            recipe_name(info.recipe),
            info.rate,
            info.unit,
            info.in_asked_layers,
            "missed" if info.missed else "",
            info.weights_in_asked_layers,
            info.sparsity,
            info.parameters,
            info.macs,
            info.bops,
            info.bytes,
        )
        for info in findings.achieved
    )
    return Table(
        "achieved",
        "Rate asked for, and share removed or zero, %",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("a rate of", TEXT),
            Column("achieved", PERCENT, "computed"),
            Column("", TEXT),
            Column("weights of asked layers", PERCENT, "computed"),
            Column("all prunable weights (sparsity)", PERCENT, "computed"),
            Column("parameters", PERCENT, "computed"),
            Column("effective MACs", PERCENT, "computed"),
            Column("effective BOPs", PERCENT, "computed"),
            Column("file bytes", PERCENT, "measured"),
        ),
        rows,
        empty="The study has no pruned trial yet.",
    )
