"""Bytes of the files that were written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.statistics import ratio


@dataclass(frozen=True)
class SizeInfo:
    """Mean size of one cell's files of one format, and its ratio to the unpruned network's."""

    recipe: str | None
    rate: float
    format: str
    size_bytes: float
    ratio: float | None
    files: int
    deviation: float | None  # largest relative difference of outputs when the files were run again


def sizes_info(grid: Grid) -> tuple[SizeInfo, ...]:
    """By cell and format; formats in the order of their names, `safetensors` first."""
    unpruned = mean_sizes(grid, grid.control)
    found = []
    for cell in grid.all_cells:
        rows = [row for trial in cell.finished for row in grid.files.get(trial.trial, ())]
        for name, size in mean_sizes(grid, cell).items():
            deviations = [row.deviation for row in rows if row.format == name and row.deviation is not None]
            count = sum(row.format == name for row in rows)
            share = ratio(size, unpruned.get(name))
            found.append(SizeInfo(cell.recipe, cell.rate, name, size, share, count, max(deviations, default=None)))
    return tuple(found)


def mean_sizes(grid: Grid, cell: Cell) -> dict[str, float]:
    """Format -> mean bytes over the cell's files, `safetensors` first."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for trial in cell.finished:
        for row in grid.files.get(trial.trial, ()):
            sizes[row.format].append(row.size_bytes)
    order = sorted(sizes, key=lambda name: (name != "safetensors", name))
    return {name: sum(sizes[name]) / len(sizes[name]) for name in order}
