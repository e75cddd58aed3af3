"""Computed cost of every cell, as a share of the unpruned network's, and the Pareto fronts."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.names import visible
from prunus.report.statistics import Interval, pareto_front, ratio


@dataclass(frozen=True)
class CostInfo:
    """Means over the seeds of one cell, for one input; computed, never timed."""

    recipe: str | None
    rate: float
    accuracy: Interval | None
    dense_macs: float | None
    effective_macs: float | None
    dense_bops: float | None
    effective_bops: float | None
    dense_bops_share: float | None  # of the unpruned network's
    effective_bops_share: float | None
    parameters: float | None
    nonzero_parameters: float | None
    compression_all: float | None  # unpruned parameters over these
    compression_nonzero: float | None  # unpruned parameters over these that are not zero; theoretical
    theoretical_speedup: float | None  # unpruned dense MACs over these effective MACs
    shrunk: bool
    shrink_deviation: float | None
    not_counted: tuple[str, ...]
    on_dense_front: bool = False
    on_effective_front: bool = False


def costs_info(grid: Grid) -> tuple[CostInfo, ...]:
    """All cells, the control first, each marked if no other is as cheap and more accurate."""
    found = [_cost(grid, cell) for cell in grid.all_cells]
    dense = _front(found, [cost.dense_bops for cost in found])
    effective = _front(found, [cost.effective_bops for cost in found])
    return tuple(_with_fronts(cost, index in dense, index in effective) for index, cost in enumerate(found))


def _cost(grid: Grid, cell: Cell) -> CostInfo:
    def here(name: str) -> float | None:
        return grid.mean_cost(cell, lambda row: getattr(row, name))

    def unpruned(name: str) -> float | None:
        return grid.mean_cost(grid.control, lambda row: getattr(row, name))

    rows = [grid.costs[trial.trial] for trial in cell.finished if trial.trial in grid.costs]
    deviations = [row.shrink_deviation for row in rows if row.shrink_deviation is not None]
    return CostInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        accuracy=grid.accuracy_of(cell),
        dense_macs=here("dense_macs"),
        effective_macs=here("effective_macs"),
        dense_bops=here("dense_bops"),
        effective_bops=here("effective_bops"),
        dense_bops_share=ratio(here("dense_bops"), unpruned("dense_bops")),
        effective_bops_share=ratio(here("effective_bops"), unpruned("dense_bops")),
        parameters=here("parameters"),
        nonzero_parameters=here("nonzero_parameters"),
        compression_all=ratio(unpruned("parameters"), here("parameters")),
        compression_nonzero=ratio(unpruned("parameters"), here("nonzero_parameters")),
        theoretical_speedup=ratio(unpruned("dense_macs"), here("effective_macs")),
        shrunk=any(row.shrunk for row in rows),
        shrink_deviation=max(deviations, default=None),
        not_counted=tuple(sorted({name for row in rows for name in _names(row.not_counted)})),
    )


def _front(costs: list[CostInfo], bops: list[float | None]) -> set[int]:
    points = [
        (index, value, cost.accuracy.mean)
        for index, (cost, value) in enumerate(zip(costs, bops, strict=True))
        if value is not None and cost.accuracy is not None
    ]
    front = pareto_front([value for _, value, _ in points], [accuracy for *_, accuracy in points])
    return {points[index][0] for index in front}


def _with_fronts(cost: CostInfo, dense: bool, effective: bool) -> CostInfo:
    return replace(cost, on_dense_front=dense, on_effective_front=effective)


def _names(text: str) -> list[str]:
    """The JSON list of operations; a damaged one is shown as it is."""
    try:
        names = json.loads(text)
    except ValueError:
        return [visible(text)]
    return [visible(name) for name in names] if isinstance(names, list) else [visible(text)]
