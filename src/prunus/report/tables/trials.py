"""Trials without a result."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    TEXT,
)
from prunus.report.names import visible


def failed_table(findings: Findings) -> Table:
    """Trials that failed, with their errors."""
    return Table(
        "failed-trials",
        "Trials that failed",
        (
            Column("trial", TEXT),
            Column("kind", TEXT),
            Column("error", TEXT),
            Column("epochs done", COUNT),
            Column("attempts", COUNT),
        ),
        tuple(
            (one.trial, one.kind, visible(one.error, 500), one.epochs, one.attempts) for one in findings.failures.failed
        ),
        empty="No trial failed.",
    )


def unfinished_table(findings: Findings) -> Table:
    """Trials that run, wait, or have not started."""
    return Table(
        "unfinished-trials",
        "Trials that have no result yet",
        (Column("trial", TEXT), Column("state", TEXT), Column("epochs done", COUNT)),
        tuple((one.trial, one.status, one.epochs) for one in findings.failures.unfinished),
        empty="Every trial has a result.",
    )
