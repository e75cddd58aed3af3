"""Classes that a pruned output layer can no longer predict, and the accuracy that is left to reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prunus.report.analysis.grid import Grid
from prunus.store.rows import ClassRow


@dataclass(frozen=True)
class CutOffInfo:
    """One trial whose output layer has empty rows. Accuracies are shares."""

    recipe: str | None
    rate: float
    seed: int
    classes: tuple[str, ...]  # whose output row is all zero
    of_classes: int
    ceiling: float | None
    accuracy: float | None
    winner: str | None  # the class with an empty row that the network still predicts, by its bias


@dataclass(frozen=True)
class NeverPredictedInfo:
    """One trial that never predicts some classes although their output rows are whole."""

    recipe: str | None
    rate: float
    seed: int
    classes: tuple[str, ...]


def accuracy_ceiling(classes: Iterable[ClassRow]) -> float | None:
    """Highest accuracy (a share) that a network with these output rows can reach; None without test inputs.

    A class whose output row is all zero has the same score, its bias, for every input. Of all such classes only the
    one with the largest bias can ever have the highest score, so at most one of them is still predicted. At best that
    is the largest one: the ceiling is the test inputs of all whole classes, plus those of the largest empty one, over
    all test inputs.
    """
    rows = list(classes)
    total = sum(row.test_count for row in rows)
    if total <= 0:
        return None
    whole = sum(row.test_count for row in rows if not row.output_row_zero)
    return (whole + max((row.test_count for row in rows if row.output_row_zero), default=0)) / total


def cut_off_info(grid: Grid) -> tuple[CutOffInfo, ...]:
    """Every finished trial with at least one empty output row, in the order of the grid."""
    found = []
    classes = _classes(grid)
    for cell in grid.all_cells:
        for trial in cell.finished:
            rows = classes.get(trial.trial, [])
            empty = [row for row in rows if row.output_row_zero]
            if not empty:
                continue
            winner = next((row.class_name for row in empty if row.predicted_count > 0), None)
            names = tuple(row.class_name for row in empty)
            ceiling, accuracy = accuracy_ceiling(rows), grid.final_accuracy.get(trial.trial)
            found.append(CutOffInfo(cell.recipe, cell.rate, trial.seed, names, len(rows), ceiling, accuracy, winner))
    return tuple(found)


def never_predicted_info(grid: Grid) -> tuple[NeverPredictedInfo, ...]:
    """Every finished trial that never calls some class whose output row is whole."""
    found = []
    classes = _classes(grid)
    for cell in grid.all_cells:
        for trial in cell.finished:
            rows = [row for row in classes.get(trial.trial, []) if not row.output_row_zero and row.test_count > 0]
            names = tuple(row.class_name for row in rows if row.predicted_count == 0)
            if names:
                found.append(NeverPredictedInfo(cell.recipe, cell.rate, trial.seed, names))
    return tuple(found)


def _classes(grid: Grid) -> dict[str, list[ClassRow]]:
    found: dict[str, list[ClassRow]] = {}
    for row in grid.rows.classes:
        found.setdefault(row.trial, []).append(row)
    return found
