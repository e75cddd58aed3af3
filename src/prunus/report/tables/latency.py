"""Every timed network."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    MILLISECONDS,
    NAME,
    RATE,
    RATIO_INTERVAL,
    TEXT,
)
from prunus.report.tables.words import recipe_name


def latency_table(findings: Findings) -> Table:
    """A row per setting, recipe and rate."""
    rows = tuple(
        (
            info.setting.runtime,
            info.setting.batch_size,
            info.setting.threads,
            recipe_name(info.recipe),
            info.rate,
            info.p50_ms,
            info.p95_ms,
            info.rounds,
            info.ratio,
        )
        for info in findings.latencies.infos
    )
    return Table(
        "latency",
        "Latency of every timed network",
        (
            Column("runtime", TEXT),
            Column("batch", COUNT),
            Column("threads", COUNT),
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("p50, ms", MILLISECONDS, "measured"),
            Column("p95, ms", MILLISECONDS, "measured"),
            Column("rounds", COUNT),
            Column("median / unpruned", RATIO_INTERVAL, "measured"),
        ),
        rows,
        empty="No network was timed.",
        folded=True,
        most_rows=84,
    )
