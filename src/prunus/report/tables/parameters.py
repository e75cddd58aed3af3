"""Parameters of every network."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    NAME,
    RATE,
    SCIENTIFIC,
    TEXT,
    TIMES,
)
from prunus.report.tables.words import recipe_name


def parameters_table(findings: Findings) -> Table:
    """A row per recipe and rate."""
    rows = tuple(
        (
            recipe_name(cost.recipe),
            cost.rate,
            cost.parameters,
            cost.compression_all,
            cost.nonzero_parameters,
            cost.compression_nonzero,
            "yes" if cost.shrunk else "no",
            cost.shrink_deviation,
        )
        for cost in findings.costs
        if cost.parameters is not None
    )
    return Table(
        "parameters",
        "Parameters, and how many times fewer than unpruned",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("all", COUNT, "computed"),
            Column("compression, all", TIMES, "computed"),
            Column("non-zero", COUNT, "computed"),
            Column("theoretical compression, non-zero", TIMES, "computed"),
            Column("physically cut", TEXT),
            Column("largest deviation of the cut network", SCIENTIFIC, "measured"),
        ),
        rows,
        empty="No network's cost was computed.",
    )
