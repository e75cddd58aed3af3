"""Test accuracy per epoch: a curve per rate with its interval over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunus.report.analysis.grid import Cell, Grid, Series
from prunus.report.analysis.recipes import RecipeTraits
from prunus.report.reference import ReferenceCurve, reference_curves
from prunus.report.statistics import Floats, Interval, mean_intervals


@dataclass(frozen=True)
class CurveInfo:
    """Mean accuracy (shares) over `seeds` trials after each epoch; bounds are NaN where there is one trial."""

    rate: float
    epochs: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: int
    finished: bool  # False: no trial of the cell has ended, and this is how far the running ones are
    final: Interval | None

    def at(self, epoch: int) -> Interval | None:
        """The curve at one epoch."""
        found = np.flatnonzero(self.epochs == epoch)
        if not found.size:
            return None
        mean, low, high = (float(values[found[0]]) for values in (self.mean, self.low, self.high))
        if np.isnan(low) or np.isnan(high):
            return Interval(mean, None, None, self.seeds)
        return Interval(mean, low, high, self.seeds)


@dataclass(frozen=True)
class RecipeCurvesInfo:
    """All curves of one recipe, the unpruned one first, and the published curves of the same kind."""

    recipe: RecipeTraits
    curves: tuple[CurveInfo, ...]
    reference: tuple[ReferenceCurve, ...]


def curves_info(grid: Grid) -> tuple[RecipeCurvesInfo, ...]:
    """Curves of every recipe of which at least one trial has an epoch behind it."""
    control = _curve(grid, grid.control)
    found = []
    for recipe in grid.recipes:
        own = [curve for cell in grid.cells_of(recipe.name) if (curve := _curve(grid, cell))]
        if own or (control and not grid.cells):
            published = tuple(curve for curve in reference_curves() if curve.family == recipe.family)
            found.append(RecipeCurvesInfo(recipe, tuple(([control] if control else []) + own), published))
    return tuple(found)


def _curve(grid: Grid, cell: Cell) -> CurveInfo | None:
    series = [grid.series[trial.trial] for trial in cell.finished if trial.trial in grid.series]
    finished = bool(series)
    if not finished:
        unfinished = [trial.trial for trial in cell.trials if trial.status != "failed"]
        series = [grid.series[trial] for trial in unfinished if trial in grid.series]
    if not series:
        return None
    epochs, table = _aligned(series)
    return CurveInfo(cell.rate, epochs, *mean_intervals(table), len(series), finished, grid.accuracy_of(cell))


def _aligned(series: list[Series]) -> tuple[Floats, Floats]:
    """All epochs that any of them has, and `[seeds, epochs]` with NaN for those it has not."""
    epochs = np.unique(np.concatenate([one.epochs for one in series]))
    table = np.full((len(series), epochs.size), np.nan)
    for row, one in zip(table, series, strict=True):
        row[np.searchsorted(epochs, one.epochs)] = one.accuracy
    return epochs, table
