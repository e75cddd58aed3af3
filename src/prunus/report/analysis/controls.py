"""Every recipe beside its controls: the same by chance, and a dense network of the same cost."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.grid import Grid
from prunus.report.analysis.losses import paired_difference
from prunus.report.statistics import Interval


@dataclass(frozen=True)
class ControlInfo:
    """One recipe at one rate, and one of its controls.

    difference: final accuracy (a share) of the recipe less that of the control, paired by seed. share, control_share:
    effective MACs left of the unpruned network's. None where nothing is known.
    """

    recipe: str
    rate: float
    kind: str
    control: str
    difference: Interval | None
    share: float | None
    control_share: float | None

    @property
    def reading(self) -> str:
        """What the seeds tell."""
        if self.difference is None:
            return "not measured"
        if not self.difference.known:
            return "one seed, no interval"
        if self.difference.is_above(0):
            return "better than its control"
        return "worse than its control" if self.difference.is_below(0) else "no difference shown"


def controls_info(grid: Grid) -> tuple[ControlInfo, ...]:
    """In the study's order, rates ascending, at the rates at which both were run."""
    cells = {(cell.recipe, cell.rate): cell for cell in grid.cells}
    unpruned = grid.mean_cost(grid.control, lambda row: row.dense_macs)
    found = []
    for (name, rate), cell in cells.items():
        for one in grid.rows.study.control_recipes:
            other = cells.get((one.recipe.name, rate))
            if other is None or name is None or name not in one.of:
                continue
            left = [grid.mean_cost(each, lambda row: row.effective_macs) for each in (cell, other)]
            shares = [value / unpruned if value is not None and unpruned else None for value in left]
            found.append(
                ControlInfo(name, rate, one.kind, one.recipe.name, paired_difference(grid, cell, other), *shares)
            )
    return tuple(found)
