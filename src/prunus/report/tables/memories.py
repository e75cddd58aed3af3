"""Peak memory of every measured network."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    NAME,
    PREFIXED,
    RATE,
    RATIO,
)
from prunus.report.tables.words import recipe_name

MOST_SETTINGS = 4


def memories_table(findings: Findings) -> Table:
    """A row per recipe and rate, columns per runtime and batch size."""
    settings = tuple(dict.fromkeys((info.runtime, info.batch_size) for info in findings.memories))[:MOST_SETTINGS]
    by_key = {(info.recipe, info.rate, info.runtime, info.batch_size): info for info in findings.memories}
    rows = []
    for recipe, rate in dict.fromkeys((info.recipe, info.rate) for info in findings.memories):
        row: list[object] = [recipe_name(recipe), rate]
        for setting in settings:
            info = by_key.get((recipe, rate, *setting))
            row += [info.network_bytes, info.ratio] if info else [None, None]
        rows.append(tuple(row))
    columns = [Column("recipe", NAME), Column("rate", RATE, "asked")]
    for runtime, batch in settings:
        columns += [
            Column(f"{runtime}, batch {batch}, bytes", PREFIXED, "measured"),
            Column("/ unpruned", RATIO, "measured"),
        ]
    return Table(
        "peak-memory",
        "Peak memory of a fresh process that loads and runs the network, less that of the same process without it",
        tuple(columns),
        tuple(rows),
        empty="Peak memory was not measured.",
    )
