"""Accuracy of one recipe after chosen epochs."""

from __future__ import annotations

from collections.abc import Sequence

from prunus.report.analysis.curves import RecipeCurvesInfo
from prunus.report.content import Column, Table
from prunus.report.forms import (
    ACCURACY_INTERVAL,
    COUNT,
    NAME,
    RATE,
    TEXT,
)

MILESTONES = (1, 2, 5, 10, 20, 30, 50, 100, 150, 200, 300)


def curves_table(name: str, infos: Sequence[RecipeCurvesInfo]) -> Table:
    """A row per recipe and rate, a column per chosen epoch."""
    curves = [(info.recipe.name, curve) for info in infos for curve in info.curves]
    epochs = sorted({float(epoch) for _, curve in curves for epoch in curve.epochs})
    chosen = [int(epoch) for epoch in epochs if epoch in MILESTONES or epoch == epochs[-1]][-12:]
    columns = [Column("recipe", NAME)] if len(infos) > 1 else []
    columns += [Column("rate", RATE, "asked"), Column("n", COUNT), Column("state", TEXT)]
    columns += [Column(f"epoch {epoch}, %", ACCURACY_INTERVAL, "measured") for epoch in chosen]
    rows = []
    for recipe, curve in curves:
        named = [recipe] if len(infos) > 1 else []
        state = "finished" if curve.finished else "running"
        rows.append((*named, curve.rate, curve.seeds, state, *(curve.at(epoch) for epoch in chosen)))
    title = f"{infos[0].recipe.name}" if len(infos) == 1 else f"{len(infos)} recipes"
    caption = f"Test accuracy of {title} after chosen epochs"
    return Table(name, caption, tuple(columns), tuple(rows), folded=True)
