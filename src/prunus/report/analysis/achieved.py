"""The rate asked for beside what was achieved."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.analysis.sizes import mean_sizes
from prunus.report.statistics import mean, ratio
from prunus.store.rows import LayerRow, TrialRow

UNIT_PATTERNS = ("row", "channel")
"""Patterns whose rate is a share of units (output rows), not of weights."""

UNITS = ("weights", "units")
NOT_ACHIEVED = 0.02
"""A rate counts as not achieved when it is missed by more than this."""


@dataclass(frozen=True)
class AchievedInfo:
    """One cell: shares (0 to 1) removed or zero, against the unpruned network. None where nothing is known."""

    recipe: str | None
    rate: float
    unit: str  # what the rate counts: `weights` or `units`; `macs` and the like where a target takes its place
    in_asked_layers: float | None  # share of those units that are gone or zero in the layers that were asked
    weights_in_asked_layers: float | None  # share of their weights, whatever the unit
    sparsity: float | None  # of all prunable weights, protected layers included
    parameters: float | None  # zero or gone
    macs: float | None
    bops: float | None
    bytes: float | None  # of the written file, measured

    @property
    def missed(self) -> bool:
        """The rate was not achieved, by more than 2 points; where a target takes its place, that one counts."""
        return (
            self.unit in UNITS
            and self.in_asked_layers is not None
            and abs(self.in_asked_layers - self.rate) > NOT_ACHIEVED
        )


def achieved_info(grid: Grid) -> tuple[AchievedInfo, ...]:
    """All cells but the control."""
    return tuple(_achieved(grid, cell) for cell in grid.cells)


def _achieved(grid: Grid, cell: Cell) -> AchievedInfo:
    patterns = {trial.pattern for trial in cell.trials}
    by_units = bool(patterns & set(UNIT_PATTERNS))
    target = next((one.target for one in grid.recipes if one.name == cell.recipe), None)
    weights = mean(_gone(grid, trial, units=False) for trial in cell.finished)
    units = mean(_gone(grid, trial, units=True) for trial in cell.finished)
    return AchievedInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        unit=target.kind if target else "units" if by_units else "weights",
        in_asked_layers=units if by_units else weights,
        weights_in_asked_layers=weights,
        sparsity=sparsity(grid, cell),
        parameters=_less(grid, cell, "nonzero_parameters", "parameters"),
        macs=_less(grid, cell, "effective_macs", "dense_macs"),
        bops=_less(grid, cell, "effective_bops", "dense_bops"),
        bytes=_bytes_less(grid, cell),
    )


def sparsity(grid: Grid, cell: Cell) -> float | None:
    """Share of the unpruned network's prunable weights that is zero or gone; of the last epoch without any cost."""
    weights = grid.mean_cost(grid.control, lambda row: row.prunable_weights)
    if weights is None:
        weights = grid.mean_cost(cell, lambda row: row.prunable_weights)
    share = ratio(grid.mean_cost(cell, lambda row: row.nonzero_weights), weights)
    if share is not None:
        return 1 - share
    return mean(grid.final_sparsity.get(trial.trial) for trial in cell.finished)


def gone_of_layer(layer: LayerRow, unpruned: LayerRow | None, *, units: bool) -> float | None:
    """Share of a layer's weights (or output rows) that is zero or was cut away."""
    before = unpruned or layer
    if units:
        left = ratio(layer.units - layer.empty_units, before.units)
    else:
        left = ratio(layer.nonzero_weights, before.weights)
    return None if left is None else 1 - left


def _gone(grid: Grid, trial: TrialRow, *, units: bool) -> float | None:
    """Share of all weights (or output rows) of the trial's asked layers that is zero or was cut away."""
    asked = [layer for layer in grid.layers.get(trial.trial, ()) if layer.rate is not None]
    unpruned = grid.unpruned_layers(trial.seed)
    left, before = 0, 0
    for layer in asked:
        whole = unpruned.get(layer.layer, layer)
        left += layer.units - layer.empty_units if units else layer.nonzero_weights
        before += whole.units if units else whole.weights
    return 1 - left / before if before > 0 else None


def _less(grid: Grid, cell: Cell, left: str, before: str) -> float | None:
    share = ratio(
        grid.mean_cost(cell, lambda row: getattr(row, left)),
        grid.mean_cost(grid.control, lambda row: getattr(row, before)),
    )
    return None if share is None else 1 - share


def _bytes_less(grid: Grid, cell: Cell) -> float | None:
    own, unpruned = mean_sizes(grid, cell), mean_sizes(grid, grid.control)
    shares = (ratio(size, unpruned.get(name)) for name, size in own.items())
    share = next((share for share in shares if share is not None), None)
    return None if share is None else 1 - share
