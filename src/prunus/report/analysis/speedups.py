"""Theoretical speed-up beside the measured one."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.costs import CostInfo
from prunus.report.analysis.latencies import Latencies


@dataclass(frozen=True)
class SpeedupInfo:
    """One recipe at one rate, in the leading setting."""

    recipe: str
    rate: float
    theoretical: float  # unpruned dense MACs over effective MACs; computed
    measured: float  # unpruned median latency over this one's


def speedups_info(costs: tuple[CostInfo, ...], latencies: Latencies) -> tuple[SpeedupInfo, ...]:
    """Every cell that has both, without the control."""
    found = []
    for cost in costs:
        timed = latencies.of(cost.recipe, cost.rate, latencies.leading)
        if cost.recipe is not None and cost.theoretical_speedup and timed and timed.ratio and timed.ratio.mean > 0:
            found.append(SpeedupInfo(cost.recipe, cost.rate, cost.theoretical_speedup, 1 / timed.ratio.mean))
    return tuple(found)
