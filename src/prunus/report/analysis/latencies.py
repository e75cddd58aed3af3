"""Timed runs: median, 95th percentile, and the ratio to the unpruned network in the same rounds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prunus.report.analysis.grid import Cell, Grid
from prunus.report.statistics import Interval, ratio_interval
from prunus.store.rows import LatencyRow


@dataclass(frozen=True, order=True)
class Setting:
    """What a run was timed with; variants of one setting ran side by side."""

    runtime: str
    batch_size: int
    threads: int

    @property
    def label(self) -> str:
        """In words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.runtime}, batch {self.batch_size}, {threads}"


@dataclass(frozen=True)
class LatencyInfo:
    """One cell in one setting. `ratio` is its median over the unpruned network's, below 1 is faster."""

    recipe: str | None
    rate: float
    setting: Setting
    p50_ms: float
    p95_ms: float
    rounds: int
    ratio: Interval | None


Rounds = dict[tuple[int, int], float]  # (seed, round) -> milliseconds


def latencies_info(grid: Grid) -> tuple[LatencyInfo, ...]:
    """By setting and cell, the control first."""
    control = _rounds(grid, grid.control)
    found = []
    for cell in grid.all_cells:
        for setting, rounds in _rounds(grid, cell).items():
            samples = np.array([value for value in rounds.values() if np.isfinite(value)])
            if not samples.size:
                continue
            p50, p95 = (float(value) for value in np.percentile(samples, [50, 95]))
            paired = None if cell.recipe is None else _ratio(rounds, control.get(setting, {}))
            found.append(LatencyInfo(cell.recipe, cell.rate, setting, p50, p95, int(samples.size), paired))
    return tuple(sorted(found, key=lambda info: info.setting))


def _rounds(grid: Grid, cell: Cell) -> dict[Setting, Rounds]:
    found: dict[Setting, Rounds] = defaultdict(dict)
    for trial in cell.finished:
        for row in grid.latencies.get(trial.trial, ()):
            found[_setting(row)][trial.seed, row.round] = row.latency_ms
    return found


def _setting(row: LatencyRow) -> Setting:
    return Setting(row.runtime, row.batch_size, row.threads)


def _ratio(rounds: Rounds, control: Rounds) -> Interval | None:
    """Over the rounds that both have; where the seed's control was not timed, against the first one that was."""
    seeds = sorted({seed for seed, _ in control})
    pairs = []
    for (seed, number), value in rounds.items():
        partner = seed if seed in seeds else next(iter(seeds), None)
        if partner is not None and (partner, number) in control:
            pairs.append((value, control[partner, number]))
    return ratio_interval([own for own, _ in pairs], [other for _, other in pairs])


class Latencies:
    """The timed cells, to be looked up."""

    def __init__(self, infos: tuple[LatencyInfo, ...]) -> None:
        self.infos = infos

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """All settings anything was timed in."""
        return tuple(sorted({info.setting for info in self.infos}))

    def of(self, recipe: str | None, rate: float, setting: Setting | None) -> LatencyInfo | None:
        """One cell in one setting."""
        return self._by_key.get((recipe, rate, setting))

    @cached_property
    def _by_key(self) -> dict[tuple[str | None, float, Setting | None], LatencyInfo]:
        return {(info.recipe, info.rate, info.setting): info for info in self.infos}
