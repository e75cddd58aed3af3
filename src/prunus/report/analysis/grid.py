"""The study's rows by cell: recipe x rate, one trial per seed in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from prunus.report.analysis.recipes import RecipeTraits, recipe_traits
from prunus.report.statistics import Floats, Interval, mean, mean_interval
from prunus.store.rows import CostRow, EpochRow, FileRow, LatencyRow, LayerRow, MemoryRow, TrialRow
from prunus.store.study_rows import StudyRows

R = TypeVar("R", EpochRow, LayerRow, FileRow, LatencyRow, MemoryRow)


@dataclass(frozen=True)
class Cell:
    """The trials of one recipe at one rate; `recipe` is None for the unpruned control."""

    recipe: str | None
    rate: float
    trials: tuple[TrialRow, ...]

    @cached_property
    def finished(self) -> tuple[TrialRow, ...]:
        """The trials that have a result."""
        return tuple(trial for trial in self.trials if trial.status == "finished")


@dataclass(frozen=True)
class Series:
    """Test accuracy (a share) of one trial after each epoch."""

    epochs: Floats
    accuracy: Floats


class Grid:
    """A study's rows, ready to be looked up by cell, trial and seed."""

    def __init__(self, rows: StudyRows) -> None:
        self.rows = rows

    @cached_property
    def recipes(self) -> tuple[RecipeTraits, ...]:
        """The study's recipes, in its order; then those that only rows know."""
        return recipe_traits(self.rows)

    @cached_property
    def control(self) -> Cell:
        """The unpruned trials."""
        return Cell(None, 0.0, tuple(trial for trial in self.rows.trials if trial.recipe is None))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of all recipes, in the study's order, rates ascending; without the control."""
        trials: dict[tuple[str, float], list[TrialRow]] = defaultdict(list)
        for trial in self.rows.trials:
            if trial.recipe is not None:
                trials[trial.recipe, trial.rate].append(trial)
        order = {recipe.name: index for index, recipe in enumerate(self.recipes)}
        keys = sorted(trials, key=lambda key: (order[key[0]], key[1]))
        return tuple(Cell(*key, tuple(trials[key])) for key in keys)

    @cached_property
    def all_cells(self) -> tuple[Cell, ...]:
        """The control, then all other cells."""
        return (self.control, *self.cells) if self.control.trials else self.cells

    def cells_of(self, recipe: str) -> tuple[Cell, ...]:
        """The cells of one recipe, rates ascending, without the control."""
        return tuple(cell for cell in self.cells if cell.recipe == recipe)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """All rates, the control's 0 included."""
        return tuple(sorted({0.0, *self.rows.study.rates, *(trial.rate for trial in self.rows.trials)}))

    @cached_property
    def control_by_seed(self) -> dict[int, TrialRow]:
        """The finished unpruned trial of each seed."""
        return {trial.seed: trial for trial in self.control.finished}

    @cached_property
    def series(self) -> dict[str, Series]:
        """Test accuracy per epoch, of each trial that has any."""
        return {trial: _series(rows) for trial, rows in self._epochs.items()}

    @cached_property
    def _epochs(self) -> dict[str, tuple[EpochRow, ...]]:
        return self._by_trial(self.rows.epochs)

    @cached_property
    def final_accuracy(self) -> dict[str, float]:
        """Test accuracy (a share) of each finished trial: of its last epoch, or of its classes without any epoch."""
        found = {}
        for trial in self.rows.trials:
            if trial.status == "finished" and (value := self._final(trial.trial)) is not None:
                found[trial.trial] = value
        return found

    @cached_property
    def final_sparsity(self) -> dict[str, float]:
        """Sparsity of each trial after its last epoch, as the training saw it."""
        return {trial: max(rows, key=lambda row: row.epoch).sparsity for trial, rows in self._epochs.items()}

    @cached_property
    def resolution(self) -> float:
        """The smallest step of a test accuracy: one test input."""
        return 1 / max((row.test_total for row in self.rows.epochs if row.test_total > 0), default=1_000_000)

    def accuracy_of(self, cell: Cell) -> Interval | None:
        """Final accuracy (a share) over the cell's finished trials."""
        values = (self.final_accuracy.get(trial.trial) for trial in cell.finished)
        return mean_interval(values, self.resolution)

    @cached_property
    def costs(self) -> dict[str, CostRow]:
        """Computed cost of each trial's final network."""
        return {row.trial: row for row in self.rows.costs}

    @cached_property
    def layers(self) -> dict[str, tuple[LayerRow, ...]]:
        """Layers of each trial's final network."""
        return self._by_trial(self.rows.layers)

    def unpruned_layers(self, seed: int) -> dict[str, LayerRow]:
        """The layers of the unpruned network by name: of the trial of this seed, else of the first that has any."""
        return self._unpruned_layers.get(seed) or next(iter(self._unpruned_layers.values()), {})

    @cached_property
    def _unpruned_layers(self) -> dict[int, dict[str, LayerRow]]:
        return {
            trial.seed: {row.layer: row for row in self.layers[trial.trial]}
            for trial in self.control.finished
            if trial.trial in self.layers
        }

    @cached_property
    def files(self) -> dict[str, tuple[FileRow, ...]]:
        """Files of each trial."""
        return self._by_trial(self.rows.files)

    @cached_property
    def latencies(self) -> dict[str, tuple[LatencyRow, ...]]:
        """Timed runs of each trial."""
        return self._by_trial(self.rows.latencies)

    @cached_property
    def memories(self) -> dict[str, tuple[MemoryRow, ...]]:
        """Peak memory of each trial."""
        return self._by_trial(self.rows.memories)

    def mean_cost(self, cell: Cell, of: Callable[[CostRow], float]) -> float | None:
        """Mean over the cell's finished trials."""
        return mean(of(self.costs[trial.trial]) for trial in cell.finished if trial.trial in self.costs)

    def _final(self, trial: str) -> float | None:
        series = self.series.get(trial)
        if series is not None and np.isfinite(series.accuracy[-1]):
            return float(series.accuracy[-1])
        correct, total = self._class_totals.get(trial, (0, 0))
        return correct / total if total > 0 else None

    @cached_property
    def _class_totals(self) -> dict[str, tuple[int, int]]:
        totals: dict[str, tuple[int, int]] = {}
        for row in self.rows.classes:
            correct, total = totals.get(row.trial, (0, 0))
            totals[row.trial] = correct + row.correct_count, total + row.test_count
        return totals

    @staticmethod
    def _by_trial(rows: Iterable[R]) -> dict[str, tuple[R, ...]]:
        found: dict[str, list[R]] = defaultdict(list)
        for row in rows:
            found[row.trial].append(row)
        return {trial: tuple(of_trial) for trial, of_trial in found.items()}


def _series(rows: tuple[EpochRow, ...]) -> Series:
    ordered = sorted(rows, key=lambda row: row.epoch)
    accuracy = [row.test_correct / row.test_total if row.test_total > 0 else np.nan for row in ordered]
    return Series(np.array([row.epoch for row in ordered], dtype=np.float64), np.array(accuracy, dtype=np.float64))
