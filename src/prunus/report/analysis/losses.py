"""Accuracy lost against the unpruned network, paired by seed, and how many epochs it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.statistics import Interval, mean_interval

REACHED_SHARE = 0.99
"""Epochs are counted until a trial has this share of the final accuracy of the unpruned trial of its seed."""

Reading = Literal["no difference shown", "lower", "higher", "one seed, no interval", "not measured"]


@dataclass(frozen=True)
class LossInfo:
    """One cell against the unpruned network. Accuracies are shares, the difference is pruned less unpruned."""

    recipe: str | None
    rate: float
    final: Interval | None
    difference: Interval | None
    reading: Reading
    epochs_to_reach: tuple[int | None, ...]  # of each seed that has an unpruned trial; None: not reached

    @property
    def is_lower(self) -> bool:
        """The whole interval lies below no difference."""
        return self.reading == "lower"


def losses_info(grid: Grid) -> tuple[LossInfo, ...]:
    """All cells, the control first (its difference is left out, its epochs are counted)."""
    return tuple(_loss(grid, cell) for cell in grid.all_cells)


def _loss(grid: Grid, cell: Cell) -> LossInfo:
    difference = None if cell.recipe is None else paired_difference(grid, cell, grid.control)
    epochs = []
    for trial in cell.finished:
        control = grid.control_by_seed.get(trial.seed)
        unpruned = grid.final_accuracy.get(control.trial) if control else None
        if unpruned is not None and trial.trial in grid.series:
            epochs.append(epochs_to_reach(grid, trial.trial, REACHED_SHARE * unpruned))
    return LossInfo(cell.recipe, cell.rate, grid.accuracy_of(cell), difference, _reading(difference), tuple(epochs))


def paired_difference(grid: Grid, cell: Cell, other: Cell) -> Interval | None:
    """Final accuracy of one cell less that of another, over the seeds that both have."""
    others = {trial.seed: grid.final_accuracy.get(trial.trial) for trial in other.finished}
    differences = []
    for trial in cell.finished:
        own, of_other = grid.final_accuracy.get(trial.trial), others.get(trial.seed)
        if own is not None and of_other is not None:
            differences.append(own - of_other)
    return mean_interval(differences, grid.resolution)


def epochs_to_reach(grid: Grid, trial: str, accuracy: float) -> int | None:
    """The first epoch after which the trial has at least this accuracy; None if there is none."""
    series = grid.series[trial]
    reached = np.flatnonzero(series.accuracy >= accuracy)
    return int(series.epochs[reached[0]]) if reached.size else None


def _reading(difference: Interval | None) -> Reading:
    if difference is None:
        return "not measured"
    if not difference.known:
        return "one seed, no interval"
    if difference.is_below(0):
        return "lower"
    return "higher" if difference.is_above(0) else "no difference shown"
