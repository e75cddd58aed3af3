"""Every recipe against its controls."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import NAME, PERCENT, POINTS_INTERVAL, RATE, TEXT


def controls_table(findings: Findings) -> Table:
    """A row per recipe, rate and control."""
    rows = tuple(
        (one.recipe, one.rate, one.kind, one.control, one.difference, one.reading, one.share, one.control_share)
        for one in findings.controls
    )
    return Table(
        "controls",
        "Every recipe against its controls",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("control", TEXT),
            Column("its recipe", NAME),
            Column("recipe less control, points", POINTS_INTERVAL, "measured"),
            Column("reading", TEXT),
            Column("effective MACs left, %", PERCENT, "computed"),
            Column("of the control, %", PERCENT, "computed"),
        ),
        rows,
        empty="No recipe was run beside a control.",
    )
