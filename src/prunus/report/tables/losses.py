"""Accuracy lost against the unpruned network."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    ACCURACY_INTERVAL,
    NAME,
    POINTS_INTERVAL,
    RATE,
    TEXT,
)
from prunus.report.tables.words import recipe_name


def losses_table(findings: Findings) -> Table:
    """A row per recipe and rate."""
    rows = tuple(
        (recipe_name(loss.recipe), loss.rate, loss.final, loss.difference, loss.reading)
        for loss in findings.losses
        if loss.recipe is not None
    )
    return Table(
        "accuracy-lost",
        "Accuracy lost against the unpruned network",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("final accuracy, %", ACCURACY_INTERVAL, "measured"),
            Column("difference to unpruned, points", POINTS_INTERVAL, "measured"),
            Column("reading", TEXT),
        ),
        rows,
    )
