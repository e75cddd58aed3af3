"""Costs asked for and achieved."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import NAME, RATE, TEXT, Number
from prunus.report.tables.words import recipe_name

AMOUNT = Number(digits=4)


def targets_table(findings: Findings) -> Table:
    """A row per recipe with a target and rate; shares of the unpruned network's, latencies in milliseconds."""
    rows = tuple(
        (
            recipe_name(info.recipe),
            info.rate,
            info.kind,
            info.asked,
            info.achieved,
            "missed" if info.missed else "",
            info.how,
        )
        for info in findings.targets
    )
    return Table(
        "targets",
        "Targets asked for and achieved: shares of the unpruned network that are left, or milliseconds",
        (
            Column("recipe", NAME),
            Column("rate", RATE),
            Column("target", TEXT),
            Column("asked", AMOUNT, "asked"),
            Column("achieved", AMOUNT),
            Column("", TEXT),
            Column("how it is known", TEXT),
        ),
        rows,
        empty="No recipe has a target.",
    )
