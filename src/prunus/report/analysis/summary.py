"""One row per recipe and rate: the whole study at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.achieved import sparsity
from prunus.report.analysis.costs import CostInfo
from prunus.report.analysis.grid import Cell, Grid
from prunus.report.analysis.latencies import Latencies
from prunus.report.analysis.losses import LossInfo, Reading
from prunus.report.analysis.sizes import SizeInfo
from prunus.report.statistics import Interval, ratio


@dataclass(frozen=True)
class TimedInfo:
    """A cell's median latency in one setting, and its ratio to the unpruned network's."""

    setting: str
    p50_ms: float
    ratio: Interval | None


@dataclass(frozen=True)
class SummaryInfo:
    """One cell. Shares and ratios are of the unpruned network; `recipe` is None for that one itself."""

    recipe: str | None
    rate: float
    trials: int
    finished: int
    failed: int
    accuracy: Interval | None
    difference: Interval | None
    reading: Reading
    sparsity: float | None
    effective_macs_share: float | None  # computed
    effective_bops_share: float | None  # computed
    file_format: str | None
    size_bytes: float | None  # measured
    size_ratio: float | None
    latencies: tuple[TimedInfo, ...]  # measured; one per setting


def summary_info(
    grid: Grid,
    losses: tuple[LossInfo, ...],
    costs: tuple[CostInfo, ...],
    sizes: tuple[SizeInfo, ...],
    latencies: Latencies,
) -> tuple[SummaryInfo, ...]:
    """All cells, the control first; of several file formats the first."""
    first_size: dict[tuple[str | None, float], SizeInfo] = {}
    for size in sizes:
        first_size.setdefault((size.recipe, size.rate), size)
    return tuple(
        _summary(grid, cell, loss, cost, first_size.get((cell.recipe, cell.rate)), latencies)
        for cell, loss, cost in zip(grid.all_cells, losses, costs, strict=True)
    )


def _summary(
    grid: Grid, cell: Cell, loss: LossInfo, cost: CostInfo, size: SizeInfo | None, latencies: Latencies
) -> SummaryInfo:
    timed = [latencies.of(cell.recipe, cell.rate, setting) for setting in latencies.settings]
    return SummaryInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        trials=len(cell.trials),
        finished=len(cell.finished),
        failed=sum(trial.status == "failed" for trial in cell.trials),
        accuracy=loss.final,
        difference=loss.difference,
        reading=loss.reading,
        sparsity=sparsity(grid, cell),
        effective_macs_share=ratio(cost.effective_macs, grid.mean_cost(grid.control, lambda row: row.dense_macs)),
        effective_bops_share=cost.effective_bops_share,
        file_format=size.format if size else None,
        size_bytes=size.size_bytes if size else None,
        size_ratio=size.ratio if size else None,
        latencies=tuple(TimedInfo(one.setting.label, one.p50_ms, one.ratio) for one in timed if one),
    )
