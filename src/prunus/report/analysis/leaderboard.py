"""Which recipe is better than which, at each rate: every pair compared over the seeds that both have."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.analysis.losses import paired_difference
from prunus.report.statistics import Interval, mean_interval


@dataclass(frozen=True)
class PlaceInfo:
    """One recipe at one rate among all that were run at it.

    wins, defeats: recipes from which it differs by more than the interval of the paired differences; ties: the others.
    first, last: the ranks that this leaves open. seconds: of a trial, training and testing included; None if unknown.
    """

    recipe: str
    rate: float
    final: Interval
    wins: int
    ties: int
    defeats: int
    seconds: float | None

    @property
    def first(self) -> int:
        """The best rank it may have: behind all that are shown to be better."""
        return 1 + self.defeats

    @property
    def last(self) -> int:
        """The worst rank it may have: before all that are shown to be worse."""
        return 1 + self.defeats + self.ties


def leaderboard_info(grid: Grid) -> tuple[PlaceInfo, ...]:
    """Rate by rate, the highest mean accuracy first; rates at which one recipe alone was run are left out."""
    cells = [cell for cell in grid.all_cells if cell.recipe is not None and grid.accuracy_of(cell) is not None]
    places: list[PlaceInfo] = []
    for rate in sorted({cell.rate for cell in cells}):
        rivals = [cell for cell in cells if cell.rate == rate]
        if len(rivals) > 1:
            found = [_place(grid, cell, rivals) for cell in rivals]
            places += sorted((place for place in found if place), key=lambda place: -place.final.mean)
    return tuple(places)


def _place(grid: Grid, cell: Cell, rivals: list[Cell]) -> PlaceInfo | None:
    final = grid.accuracy_of(cell)
    if final is None or cell.recipe is None:
        return None
    differences = [paired_difference(grid, cell, other) for other in rivals if other is not cell]
    wins = sum(one is not None and one.is_above(0) for one in differences)
    defeats = sum(one is not None and one.is_below(0) for one in differences)
    took = mean_interval(trial.seconds for trial in cell.finished)
    ties = len(differences) - wins - defeats
    return PlaceInfo(cell.recipe, cell.rate, final, wins, ties, defeats, took.mean if took else None)
