"""What became of every layer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.analysis.achieved import gone_of_layer
from prunus.report.analysis.grid import Cell, Grid
from prunus.report.statistics import mean, ratio
from prunus.store.rows import LayerRow


@dataclass(frozen=True)
class LayerInfo:
    """One layer of one cell, mean over its seeds. Shares are of the unpruned layer."""

    recipe: str | None
    rate: float
    layer: str
    kind: str
    role: str  # `output`, `protected`, or nothing
    weights: int  # of the unpruned layer
    units: int
    asked: float | None
    weights_gone: float | None
    units_gone: float | None
    effective_macs_share: float | None
    effective_bops: float | None
    emptied_in: tuple[int, ...]  # seeds in which nothing of it is left


def layers_info(grid: Grid) -> tuple[LayerInfo, ...]:
    """By cell and layer, in the order of execution; without the control."""
    return tuple(info for cell in grid.cells for info in _of_cell(grid, cell))


def _of_cell(grid: Grid, cell: Cell) -> list[LayerInfo]:
    by_name: dict[str, list[tuple[int, LayerRow, LayerRow | None]]] = defaultdict(list)
    for trial in cell.finished:
        unpruned = grid.unpruned_layers(trial.seed)
        for row in sorted(grid.layers.get(trial.trial, ()), key=lambda row: row.position):
            by_name[row.layer].append((trial.seed, row, unpruned.get(row.layer)))
    return [_layer(cell, name, rows) for name, rows in by_name.items()]


def _layer(cell: Cell, name: str, rows: list[tuple[int, LayerRow, LayerRow | None]]) -> LayerInfo:
    first = rows[0][1]
    return LayerInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        layer=name,
        kind=first.kind,
        role="output" if first.output else "protected" if first.protected else "",
        weights=(rows[0][2] or first).weights,
        units=(rows[0][2] or first).units,
        asked=mean(row.rate for _, row, _ in rows),
        weights_gone=mean(gone_of_layer(row, unpruned, units=False) for _, row, unpruned in rows),
        units_gone=mean(gone_of_layer(row, unpruned, units=True) for _, row, unpruned in rows),
        effective_macs_share=mean(ratio(row.effective_macs, (unpruned or row).dense_macs) for _, row, unpruned in rows),
        effective_bops=mean(row.effective_bops for _, row, _ in rows),
        emptied_in=tuple(seed for seed, row, _ in rows if row.nonzero_weights == 0 and (row.rate or row.weights)),
    )
