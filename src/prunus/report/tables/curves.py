"""Accuracy of one recipe after chosen epochs."""

from __future__ import annotations

from prunus.report.analysis.curves import RecipeCurvesInfo
from prunus.report.content import Column, Table
from prunus.report.forms import (
    ACCURACY_INTERVAL,
    COUNT,
    RATE,
    TEXT,
)
from prunus.report.names import file_name

MILESTONES = (1, 2, 5, 10, 20, 30, 50, 100, 150, 200, 300)


def curves_table(info: RecipeCurvesInfo) -> Table:
    """A row per rate, a column per chosen epoch."""
    epochs = sorted({float(epoch) for curve in info.curves for epoch in curve.epochs})
    chosen = [int(epoch) for epoch in epochs if epoch in MILESTONES or epoch == epochs[-1]][-12:]
    rows = []
    for curve in info.curves:
        values = [curve.at(epoch) for epoch in chosen]
        rows.append((curve.rate, curve.seeds, "finished" if curve.finished else "running", *values))
    columns = [Column("rate", RATE, "asked"), Column("n", COUNT), Column("state", TEXT)]
    columns += [Column(f"epoch {epoch}, %", ACCURACY_INTERVAL, "measured") for epoch in chosen]
    return Table(
        f"curves-{file_name(info.recipe.name)}",
        f"Test accuracy of {info.recipe.name} after chosen epochs",
        tuple(columns),
        tuple(rows),
        folded=True,
    )
