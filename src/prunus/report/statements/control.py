"""How closely a recipe can remove, and does remove, the share of weights that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.analysis.achieved import UNITS, AchievedInfo
from prunus.report.analysis.layers import LayerInfo
from prunus.report.findings import Findings
from prunus.report.words import percent

FINE = 0.01
"""Control counts as fine when neither a step nor a deviation is larger than this share of the weights."""


@dataclass(frozen=True)
class Control:
    """One recipe's control. Shares of weights."""

    recipe: str
    step: float  # the largest share of an asked layer's weights that has to go at once
    deviation: float  # how far the share that is gone is from the rate, at worst
    text: str

    @property
    def is_fine(self) -> bool:
        """Neither is larger than one point."""
        return max(self.step, self.deviation) <= FINE


def control_of_weights(findings: Findings, family: str) -> tuple[Control, ...]:
    """The control of each recipe of a kind that has layers on record."""
    found = []
    for recipe in findings.recipes_of(family):
        layers = [
            row for row in findings.layers if row.recipe == recipe.name and row.asked and row.weights and row.units
        ]
        shares = [
            row
            for row in findings.achieved
            if row.recipe == recipe.name and row.weights_in_asked_layers is not None and row.unit in UNITS
        ]
        if layers and shares:
            found.append(_control(recipe.name, layers, shares))
    return tuple(found)


def _control(recipe: str, layers: list[LayerInfo], shares: list[AchievedInfo]) -> Control:
    unit = shares[0].unit

    def step(layer: LayerInfo) -> float:
        return 1 / (layer.units if unit == "units" else layer.weights)

    coarsest, worst = max(layers, key=step), max(shares, key=_deviation)
    text = (
        f"the coarsest step is one {unit.removesuffix('s')} of `{coarsest.layer}`, {100 * step(coarsest):.2g} % of its "
        f"weights; asked for {worst.rate:g}, {percent(worst.weights_in_asked_layers)} of the asked layers' weights are "
        f"gone or zero, the largest deviation ({100 * _deviation(worst):.1f} points)."
    )
    return Control(recipe, step(coarsest), _deviation(worst), text)


def _deviation(row: AchievedInfo) -> float:
    return abs((row.weights_in_asked_layers or 0.0) - row.rate)
