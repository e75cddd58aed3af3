"""Peak memory of a process that loads and runs a network, less that of the same process without it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.statistics import ratio

Setting = tuple[str, int]


@dataclass(frozen=True)
class MemoryInfo:
    """Mean over the measured seeds of one cell; `ratio` is to the unpruned network in the same setting."""

    recipe: str | None
    rate: float
    runtime: str
    batch_size: int
    network_bytes: float
    process_bytes: float
    processes: int
    ratio: float | None


def memories_info(grid: Grid) -> tuple[MemoryInfo, ...]:
    """By runtime, batch size and cell, the control first."""
    control = {setting: net for setting, (net, _, _) in _means(grid, grid.control).items()}
    found = [
        MemoryInfo(cell.recipe, cell.rate, *setting, net, peak, count, ratio(net, control.get(setting)))
        for cell in grid.all_cells
        for setting, (net, peak, count) in _means(grid, cell).items()
    ]
    return tuple(sorted(found, key=lambda info: (info.runtime, info.batch_size)))


def _means(grid: Grid, cell: Cell) -> dict[Setting, tuple[float, float, int]]:
    found: dict[Setting, list[tuple[int, int]]] = defaultdict(list)
    for trial in cell.finished:
        for row in grid.memories.get(trial.trial, ()):
            found[row.runtime, row.batch_size].append((row.peak_bytes - row.baseline_bytes, row.peak_bytes))
    return {
        setting: (sum(n for n, _ in pairs) / len(pairs), sum(p for _, p in pairs) / len(pairs), len(pairs))
        for setting, pairs in found.items()
    }
