"""Output rows that were pruned, and classes that are never predicted."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    NAME,
    PERCENT,
    RATE,
    TEXT,
)
from prunus.report.names import visible
from prunus.report.tables.words import recipe_name


def cut_off_table(findings: Findings) -> Table:
    """A row per trial with empty output rows."""
    rows = tuple(
        (
            recipe_name(info.recipe),
            info.rate,
            info.seed,
            f"{len(info.classes)} of {info.of_classes}",
            ", ".join(visible(name, 60) for name in info.classes),
            info.winner,
            info.ceiling,
            info.accuracy,
        )
        for info in findings.cut_off
    )
    return Table(
        "cut-off-classes",
        "Output rows that were pruned",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("seed", COUNT),
            Column("empty rows", TEXT),
            Column("their classes", TEXT),
            Column("still predicted by its bias", TEXT),
            Column("ceiling, %", PERCENT, "computed"),
            Column("accuracy, %", PERCENT, "measured"),
        ),
        rows,
        folded=True,
    )


def never_predicted_table(findings: Findings) -> Table:
    """A row per trial that never predicts a class it could."""
    return Table(
        "never-predicted",
        "Classes with whole output rows that are never predicted",
        (Column("recipe", NAME), Column("rate", RATE, "asked"), Column("seed", COUNT), Column("classes", TEXT)),
        tuple(
            (recipe_name(info.recipe), info.rate, info.seed, ", ".join(visible(name, 60) for name in info.classes))
            for info in findings.never_predicted
        ),
        folded=True,
    )
