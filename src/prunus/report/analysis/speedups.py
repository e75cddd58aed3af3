"""Theoretical speed-up beside the measured one."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.costs import CostInfo
from prunus.report.analysis.latencies import Latencies, Setting


@dataclass(frozen=True)
class SpeedupInfo:
    """One recipe at one rate in one setting."""

    setting: Setting
    recipe: str
    rate: float
    theoretical: float  # unpruned dense MACs over effective MACs; computed
    measured: float  # unpruned median latency over this one's


def speedups_info(costs: tuple[CostInfo, ...], latencies: Latencies) -> tuple[SpeedupInfo, ...]:
    """Every cell that has both, without the control, setting by setting."""
    theoretical = {(cost.recipe, cost.rate): cost.theoretical_speedup for cost in costs}
    found = []
    for timed in latencies.infos:
        theory = theoretical.get((timed.recipe, timed.rate))
        if timed.recipe is not None and theory and timed.ratio:
            found.append(SpeedupInfo(timed.setting, timed.recipe, timed.rate, theory, 1 / timed.ratio.mean))
    return tuple(found)
