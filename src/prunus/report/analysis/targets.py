"""Costs that recipes were to come to, beside what their final networks came to."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.achieved import AchievedInfo
from prunus.report.analysis.grid import Grid
from prunus.report.analysis.latencies import Latencies, LatencyInfo, Setting
from prunus.report.analysis.provenance import ProvenanceInfo
from prunus.report.analysis.recipes import RecipeTarget

COUNTS_WITHIN, LATENCY_WITHIN = 0.01, 0.1
"""What counts as reached: a count within so much of it, a latency at most so much above it (it is noisy)."""


@dataclass(frozen=True)
class TargetInfo:
    """One recipe at one rate: what was asked for, and achieved. Shares are of the unpruned network's, latencies in ms.

    achieved: None where it is not known. how: computed, or measured: on which runtime, machine and threads.
    """

    recipe: str
    rate: float
    kind: str
    asked: float
    achieved: float | None
    how: str

    @property
    def missed(self) -> bool:
        """Whether it is further off than 1 % for counts, or a latency more than 10 % too long."""
        if self.achieved is None:
            return False
        if self.kind == "latency_ms":
            return self.achieved > self.asked * (1 + LATENCY_WITHIN)
        return abs(self.achieved - self.asked) > COUNTS_WITHIN * self.asked

    def __str__(self) -> str:
        achieved = "not known" if self.achieved is None else f"{self.achieved:.4g}"
        return f"asked for {self.kind} = {self.asked:g}, achieved {achieved} ({self.how})"


def targets_info(
    grid: Grid, achieved: tuple[AchievedInfo, ...], latencies: Latencies, provenance: ProvenanceInfo
) -> tuple[TargetInfo, ...]:
    """All cells whose recipe has a target."""
    wanted = {recipe.name: recipe.target for recipe in grid.recipes if recipe.target is not None}
    return tuple(
        _info(info, target, latencies, provenance)
        for info in achieved
        if info.recipe is not None and (target := wanted.get(info.recipe)) is not None
    )


def _info(info: AchievedInfo, target: RecipeTarget, latencies: Latencies, provenance: ProvenanceInfo) -> TargetInfo:
    asked = 1 - info.rate if target.asked is None else target.asked
    recipe = info.recipe or ""
    if target.place is not None:
        setting = Setting(*target.place)
        timed = latencies.of(recipe, info.rate, setting)
        how = _how(setting, timed, provenance)
        return TargetInfo(recipe, info.rate, target.kind, asked, timed.p50_ms if timed else None, how)
    removed = {"params": info.parameters, "macs": info.macs, "bops": info.bops}[target.kind]
    return TargetInfo(recipe, info.rate, target.kind, asked, None if removed is None else 1 - removed, "computed")


def _how(setting: Setting, timed: LatencyInfo | None, provenance: ProvenanceInfo) -> str:
    if timed is None:
        return f"not measured: {setting.label}"
    machine = dict(provenance.machine).get("cpu", "unknown machine")
    return f"measured: median of {timed.rounds} runs; {setting.label}; {machine}"
