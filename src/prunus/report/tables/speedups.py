"""Theoretical speed-up beside the measured one."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    NAME,
    RATE,
    TIMES,
)
from prunus.report.names import visible


def speedups_table(findings: Findings) -> Table:
    """A row per recipe and rate that has both."""
    setting = findings.latencies.leading
    timed = f" ({visible(setting.label)})" if setting else ""
    return Table(
        "speed-up",
        f"Theoretical and measured speed-up{timed}",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("theoretical speed-up", TIMES, "computed"),
            Column("speed-up", TIMES, "measured"),
        ),
        tuple((one.recipe, one.rate, one.theoretical, one.measured) for one in findings.speedups),
        folded=True,
    )
