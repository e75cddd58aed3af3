"""What could not be done or measured."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    LISTED,
    TEXT,
)


def problems_table(findings: Findings) -> Table:
    """A row per kind of problem."""
    return Table(
        "problems",
        "What could not be done or measured",
        (Column("stage", TEXT), Column("kind", TEXT), Column("message", TEXT), Column("trials", LISTED)),
        tuple(
            (problem.stage, problem.kind, problem.message, _few(problem.trials))
            for problem in findings.failures.problems
        ),
        empty="Nothing was left out.",
    )


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 6 else (*names[:5], f"and {len(names) - 5} more")
