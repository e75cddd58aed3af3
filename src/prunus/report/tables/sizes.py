"""Bytes of every file."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    NAME,
    RATE,
    RATIO,
    SCIENTIFIC,
)
from prunus.report.tables.words import recipe_name

MOST_SETTINGS = 4


def sizes_table(findings: Findings) -> Table:
    """A row per recipe and rate, columns per format."""
    formats = tuple(dict.fromkeys(info.format for info in findings.sizes))[:MOST_SETTINGS]
    by_key = {(info.recipe, info.rate, info.format): info for info in findings.sizes}
    rows = []
    for recipe, rate in dict.fromkeys((info.recipe, info.rate) for info in findings.sizes):
        row: list[object] = [recipe_name(recipe), rate]
        for name in formats:
            info = by_key.get((recipe, rate, name))
            row += [info.size_bytes, info.ratio, info.deviation] if info else [None, None, None]
        rows.append(tuple(row))
    columns = [Column("recipe", NAME), Column("rate", RATE, "asked")]
    for name in formats:
        columns += [
            Column(f"{name}, bytes", COUNT, "measured"),
            Column(f"{name} / unpruned", RATIO, "measured"),
            Column(f"{name}, deviation when run again", SCIENTIFIC, "measured"),
        ]
    return Table(
        "file-size",
        "Bytes of the files that were written, and how far their outputs are from the network's when run again",
        tuple(columns),
        tuple(rows),
        empty="No network was written to a file.",
    )
