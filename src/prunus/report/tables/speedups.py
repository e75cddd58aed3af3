"""Theoretical speed-up beside the measured one."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import NAME, RATE, TEXT, TIMES


def speedups_table(findings: Findings) -> Table:
    """A row per setting, recipe and rate that has both."""
    return Table(
        "speed-up",
        "Theoretical and measured speed-up",
        (
            Column("setting", TEXT),
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("theoretical speed-up", TIMES, "computed"),
            Column("speed-up", TIMES, "measured"),
        ),
        tuple((one.setting.label, one.recipe, one.rate, one.theoretical, one.measured) for one in findings.speedups),
        folded=True,
        most_rows=84,
    )
