"""A study's rows by cell (recipe x rate, one trial per seed), and each analysis of them, worked out once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np

from prunus.report.metric import StudyMetric
from prunus.report.recipes import RecipeTraits, recipe_traits
from prunus.report.sanity import sane
from prunus.report.statistics import Floats, Interval, mean, mean_interval
from prunus.spec.trial import CLASSIFICATION
from prunus.store.rows import ClassRow, CostRow, EpochRow, FileRow, LatencyRow, LayerRow, MemoryRow, MetricRow, TrialRow
from prunus.store.study_rows import StudyRows

Key = tuple[str | None, float]
R = TypeVar("R", ClassRow, EpochRow, LayerRow, FileRow, LatencyRow, MemoryRow, MetricRow)
T = TypeVar("T")

LARGEST = 1e100
"""A metric beyond it counts as infinite: its square would be."""


@dataclass(frozen=True)
class Cell:
    """The trials of one recipe at one rate; `recipe` is None for the unpruned control."""

    recipe: str | None
    rate: float
    trials: tuple[TrialRow, ...]

    @property
    def key(self) -> Key:
        """Recipe and rate, which name the cell."""
        return self.recipe, self.rate

    @cached_property
    def finished(self) -> tuple[TrialRow, ...]:
        """The trials that have a result."""
        return tuple(trial for trial in self.trials if trial.status == "finished")


@dataclass(frozen=True)
class Series:
    """The metric of one trial on the test data after each epoch; NaN where it was no finite number."""

    epochs: Floats
    metric: Floats


class Findings:
    """A study's rows, to be looked up by cell, trial and seed, and what the analyses have made of them so far.

    Rows that cannot be true are left out. What cannot be worked out raises only where it is used.
    """

    def __init__(self, rows: StudyRows) -> None:
        self.rows = sane(rows)
        self._known: dict[Callable[[Findings], Any], Any] = {}

    def known(self, analysis: Callable[[Findings], T]) -> T:
        """What an analysis makes of this study, worked out when it is first asked for."""
        if analysis not in self._known:
            self._known[analysis] = analysis(self)
        found: T = self._known[analysis]
        return found

    @cached_property
    def recipes(self) -> tuple[RecipeTraits, ...]:
        """The study's recipes, in its order; then those that only rows know."""
        return recipe_traits(self.rows)

    @cached_property
    def judged(self) -> tuple[RecipeTraits, ...]:
        """The recipes that the study is about: all but the controls, which are there for them to be compared with."""
        return tuple(recipe for recipe in self.recipes if recipe.control is None)

    def recipes_of(self, family: str) -> tuple[RecipeTraits, ...]:
        """The recipes of one of the reference experiment's two kinds."""
        return tuple(recipe for recipe in self.judged if recipe.family == family)

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

    @cached_property
    def cell(self) -> dict[Key, Cell]:
        """The cells by recipe and rate."""
        return {cell.key: cell for cell in self.all_cells}

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
        """The metric per epoch, of each trial that has any."""
        return {trial: _series(rows) for trial, rows in self._epochs.items()}

    @cached_property
    def _epochs(self) -> dict[str, tuple[EpochRow, ...]]:
        return self._by_trial(self.rows.epochs)

    @cached_property
    def metric(self) -> StudyMetric:
        """The study's metric, with its margin."""
        study = self.rows.study
        margin = {} if study.margin is None else {"margin": study.margin}
        unpruned = mean(self.final_metric.get(trial.trial) for trial in self.control.finished)
        values = [one.metric for one in self.series.values()]
        finite = np.abs(np.concatenate(values)) if values else np.array([])
        finite = finite[np.isfinite(finite) & (finite > 0)]
        typical = unpruned or (float(np.median(finite)) if finite.size else None)
        return StudyMetric(study.metric.model_copy(update=margin), unpruned, typical)

    @cached_property
    def final_metric(self) -> dict[str, float]:
        """The metric of each finished trial: of its last epoch, or, of accuracy, of its classes without any epoch.

        Trials of which it is no finite number are left out.
        """
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
        """The smallest step of a share of answers: one test input; 0 where answers are not counted."""
        if not self.metric.is_share or (self.rows.epochs and all(row.test_total is None for row in self.rows.epochs)):
            return 0.0
        return 1 / max((row.test_total for row in self.rows.epochs if row.test_total), default=1_000_000)

    @property
    def classifies(self) -> bool:
        """Whether inputs are sorted into classes, so that there is something to be said of each class."""
        return self.rows.study.task == CLASSIFICATION or bool(self.rows.classes)

    def metric_of(self, cell: Cell) -> Interval | None:
        """The final metric over the cell's finished trials."""
        values = (self.final_metric.get(trial.trial) for trial in cell.finished)
        return mean_interval(values, self.resolution)

    @cached_property
    def cost_rows(self) -> dict[str, CostRow]:
        """Computed cost of each trial's final network."""
        return {row.trial: row for row in self.rows.costs}

    @cached_property
    def layer_rows(self) -> dict[str, tuple[LayerRow, ...]]:
        """Layers of each trial's final network."""
        return self._by_trial(self.rows.layers)

    def unpruned_layers(self, seed: int) -> dict[str, LayerRow]:
        """The layers of the unpruned network by name: of the trial of this seed, else of the first that has any."""
        return self._unpruned_layers.get(seed) or next(iter(self._unpruned_layers.values()), {})

    @cached_property
    def _unpruned_layers(self) -> dict[int, dict[str, LayerRow]]:
        return {
            trial.seed: {row.layer: row for row in self.layer_rows[trial.trial]}
            for trial in self.control.finished
            if trial.trial in self.layer_rows
        }

    @cached_property
    def class_rows(self) -> dict[str, tuple[ClassRow, ...]]:
        """What each trial's final network makes of each class."""
        return self._by_trial(self.rows.classes)

    @cached_property
    def measure_rows(self) -> dict[str, tuple[MetricRow, ...]]:
        """What else the task counts of each trial's final network."""
        return self._by_trial(self.rows.metrics)

    @cached_property
    def file_rows(self) -> dict[str, tuple[FileRow, ...]]:
        """Files of each trial."""
        return self._by_trial(self.rows.files)

    @cached_property
    def latency_rows(self) -> dict[str, tuple[LatencyRow, ...]]:
        """Timed runs of each trial."""
        return self._by_trial(self.rows.latencies)

    @cached_property
    def memory_rows(self) -> dict[str, tuple[MemoryRow, ...]]:
        """Peak memory of each trial."""
        return self._by_trial(self.rows.memories)

    def mean_cost(self, cell: Cell, of: Callable[[CostRow], float]) -> float | None:
        """Mean over the cell's finished trials."""
        return mean(of(self.cost_rows[trial.trial]) for trial in cell.finished if trial.trial in self.cost_rows)

    def _final(self, trial: str) -> float | None:
        series = self.series.get(trial)
        if series is not None and np.isfinite(series.metric[-1]):
            return float(series.metric[-1])
        return self.accuracy_by_classes(trial) if self.rows.study.metric.name == "accuracy" else None

    def accuracy_by_classes(self, trial: str) -> float | None:
        """The share of right answers over all classes of a trial; None without test inputs."""
        classes = self.class_rows.get(trial, ())
        total = sum(row.test_count for row in classes)
        return sum(row.correct_count for row in classes) / total if total > 0 else None

    @staticmethod
    def _by_trial(rows: Iterable[R]) -> dict[str, tuple[R, ...]]:
        found: dict[str, list[R]] = defaultdict(list)
        for row in rows:
            found[row.trial].append(row)
        return {trial: tuple(of_trial) for trial, of_trial in found.items()}


def once_per_study(analysis: Callable[[Findings], T]) -> Callable[[Findings], T]:
    """Make an analysis of a study remember what it found, so that pages, tables and other analyses can ask freely."""

    @wraps(analysis)
    def remembered(findings: Findings) -> T:
        return findings.known(analysis)

    return remembered


def _series(rows: tuple[EpochRow, ...]) -> Series:
    ordered = sorted(rows, key=lambda row: row.epoch)
    values = np.array([row.metric for row in ordered], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        values[~(np.abs(values) <= LARGEST)] = np.nan
    return Series(np.array([row.epoch for row in ordered], dtype=np.float64), values)
