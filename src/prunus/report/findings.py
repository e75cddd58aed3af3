"""All that can be said about a study, each part worked out when a page first asks for it."""

from __future__ import annotations

from functools import cached_property

from prunus.report.analysis.achieved import AchievedInfo, achieved_info
from prunus.report.analysis.classes import CutOffInfo, NeverPredictedInfo, cut_off_info, never_predicted_info
from prunus.report.analysis.controls import ControlInfo, controls_info
from prunus.report.analysis.costs import CostInfo, costs_info
from prunus.report.analysis.curves import RecipeCurvesInfo, curves_info
from prunus.report.analysis.failures import FailuresInfo, failures_info
from prunus.report.analysis.grid import Cell, Grid
from prunus.report.analysis.latencies import Latencies, latencies_info
from prunus.report.analysis.layers import LayerInfo, layers_info
from prunus.report.analysis.leaderboard import PlaceInfo, leaderboard_info
from prunus.report.analysis.losses import LossInfo, losses_info
from prunus.report.analysis.memories import MemoryInfo, memories_info
from prunus.report.analysis.provenance import ProvenanceInfo, provenance_info
from prunus.report.analysis.recipes import RecipeTraits
from prunus.report.analysis.sanity import sane
from prunus.report.analysis.sizes import SizeInfo, sizes_info
from prunus.report.analysis.speedups import SpeedupInfo, speedups_info
from prunus.report.analysis.summary import SummaryInfo, summary_info
from prunus.report.analysis.targets import TargetInfo, targets_info
from prunus.store.study_rows import StudyRows

Key = tuple[str | None, float]


class Findings:
    """A study's rows and everything that follows from them. What cannot be worked out raises only where it is used."""

    def __init__(self, rows: StudyRows) -> None:
        self.rows = sane(rows)
        self.grid = Grid(self.rows)

    @property
    def recipes(self) -> tuple[RecipeTraits, ...]:
        """The study's recipes, in its order."""
        return self.grid.recipes

    @cached_property
    def judged(self) -> tuple[RecipeTraits, ...]:
        """The recipes that the study is about: all but the controls, which are there for them to be compared with."""
        return tuple(recipe for recipe in self.recipes if recipe.control is None)

    def recipes_of(self, family: str) -> tuple[RecipeTraits, ...]:
        """Those of one of the reference experiment's two kinds."""
        return tuple(recipe for recipe in self.judged if recipe.family == family)

    @cached_property
    def cell(self) -> dict[Key, Cell]:
        """The cells by recipe and rate."""
        return {(cell.recipe, cell.rate): cell for cell in self.grid.all_cells}

    @cached_property
    def curves(self) -> tuple[RecipeCurvesInfo, ...]:
        """Accuracy per epoch."""
        return curves_info(self.grid)

    @cached_property
    def losses(self) -> tuple[LossInfo, ...]:
        """Accuracy lost, paired by seed."""
        return losses_info(self.grid)

    @cached_property
    def loss(self) -> dict[Key, LossInfo]:
        """The same by recipe and rate."""
        return {(info.recipe, info.rate): info for info in self.losses}

    @cached_property
    def leaderboard(self) -> tuple[PlaceInfo, ...]:
        """The recipes of each rate, the best first."""
        return leaderboard_info(self.grid)

    @cached_property
    def controls(self) -> tuple[ControlInfo, ...]:
        """Every recipe beside its controls."""
        return controls_info(self.grid)

    def losses_of(self, recipe: str) -> tuple[LossInfo, ...]:
        """Those of one recipe that have a final accuracy, rates ascending."""
        return tuple(info for info in self.losses if info.recipe == recipe and info.final is not None)

    @cached_property
    def costs(self) -> tuple[CostInfo, ...]:
        """Computed cost."""
        return costs_info(self.grid)

    @cached_property
    def cost(self) -> dict[Key, CostInfo]:
        """The same by recipe and rate."""
        return {(info.recipe, info.rate): info for info in self.costs}

    @cached_property
    def achieved(self) -> tuple[AchievedInfo, ...]:
        """What was asked for and what was achieved."""
        return achieved_info(self.grid)

    @cached_property
    def targets(self) -> tuple[TargetInfo, ...]:
        """Costs that recipes were to come to, and what they came to."""
        return targets_info(self.grid, self.achieved, self.latencies, self.provenance)

    @cached_property
    def sizes(self) -> tuple[SizeInfo, ...]:
        """File sizes."""
        return sizes_info(self.grid)

    @cached_property
    def latencies(self) -> Latencies:
        """Timed runs."""
        return Latencies(latencies_info(self.grid))

    @cached_property
    def speedups(self) -> tuple[SpeedupInfo, ...]:
        """Theoretical and measured speed-up."""
        return speedups_info(self.costs, self.latencies)

    @cached_property
    def memories(self) -> tuple[MemoryInfo, ...]:
        """Peak memory."""
        return memories_info(self.grid)

    @cached_property
    def cut_off(self) -> tuple[CutOffInfo, ...]:
        """Trials whose output layer has empty rows."""
        return cut_off_info(self.grid)

    @cached_property
    def never_predicted(self) -> tuple[NeverPredictedInfo, ...]:
        """Trials that never predict a class they could."""
        return never_predicted_info(self.grid)

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer of every cell."""
        return layers_info(self.grid)

    @cached_property
    def failures(self) -> FailuresInfo:
        """Trials without a result, and problems."""
        return failures_info(self.grid)

    @cached_property
    def provenance(self) -> ProvenanceInfo:
        """Where the rows come from."""
        return provenance_info(self.grid)

    @cached_property
    def summary(self) -> tuple[SummaryInfo, ...]:
        """One row per recipe and rate."""
        return summary_info(self.grid, self.losses, self.costs, self.sizes, self.latencies)

    @cached_property
    def results(self) -> tuple[SummaryInfo, ...]:
        """The same without the controls."""
        names = {recipe.name for recipe in self.judged}
        return tuple(row for row in self.summary if row.recipe is None or row.recipe in names)
