"""How closely a recipe removes the share of weights that it was asked for."""

from __future__ import annotations

from prunus.report.findings import Findings
from prunus.report.words import percent

COARSE = 0.01
"""Control counts as fine when the share of weights misses the rate by at most this."""


def control_of_weights(findings: Findings, family: str) -> list[tuple[str, str, float]]:
    """For each recipe of a kind: its name, in words how far the share of weights is from the rate, and how far."""
    found = []
    for recipe in findings.recipes_of(family):
        rows = [
            row for row in findings.achieved if row.recipe == recipe.name and row.weights_in_asked_layers is not None
        ]
        if rows:
            worst = max(rows, key=lambda row: abs((row.weights_in_asked_layers or 0) - row.rate))
            deviation = abs((worst.weights_in_asked_layers or 0) - worst.rate)
            text = (
                f"asked for {worst.rate:g}, {percent(worst.weights_in_asked_layers)} of the asked layers' weights "
                f"are gone or zero; that is the largest deviation, {100 * deviation:.1f} points."
            )
            found.append((recipe.name, text, deviation))
    return found
