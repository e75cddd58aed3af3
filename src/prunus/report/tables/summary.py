"""Every recipe at every rate, at a glance."""

from __future__ import annotations

from prunus.report.analysis.summary import SummaryInfo
from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    ACCURACY_INTERVAL,
    NAME,
    PERCENT,
    POINTS_INTERVAL,
    RATE,
    RATIO,
    TEXT,
    TIMES_SPAN,
)
from prunus.report.tables.words import recipe_name
from prunus.report.words import counted


def summary_table(findings: Findings) -> Table:
    """A row per recipe and rate, the unpruned network first."""
    settings = len(findings.latencies.settings)
    size = next((row.file_format for row in findings.summary if row.file_format), "file")
    rows = tuple(
        (
            recipe_name(row.recipe),
            row.rate,
            _trials(row),
            row.accuracy,
            row.difference,
            row.sparsity,
            row.effective_bops_share,
            row.size_ratio,
            tuple(one.ratio.mean for one in row.latencies if one.ratio),
        )
        for row in findings.summary
    )
    timed = f"; latency from best to worst of {counted(settings, 'measured setting')}" if settings else ""
    return Table(
        "summary",
        f"Every recipe at every rate; % and ratios are of the unpruned network{timed}",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("trials", TEXT),
            Column("accuracy, %", ACCURACY_INTERVAL, "measured"),
            Column("to unpruned, points", POINTS_INTERVAL, "measured"),
            Column("sparsity, %", PERCENT, "computed"),
            Column("effective BOPs, %", PERCENT, "computed"),
            Column(f"{size} / unpruned", RATIO, "measured"),
            Column("latency / unpruned", TIMES_SPAN, "measured"),
        ),
        rows,
    )


def _trials(row: SummaryInfo) -> str:
    """How many finished, and what became of the others."""
    left = row.trials - row.finished - row.failed
    parts = [str(row.finished)]
    parts += [f"{row.failed} failed"] if row.failed else []
    parts += [f"{left} to come"] if left else []
    return ", ".join(parts)
