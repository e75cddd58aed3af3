"""Accuracy over the rate of each layer pruned alone."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunus.report.figures.drawing import Drawing, label
from prunus.report.figures.palette import DRAWN, RECIPES_LIGHT
from prunus.sensitivity.curves import Curve, Sensitivity
from prunus.sensitivity.suggestion import Suggestion

COLUMNS = 4
WIDTH, ROW, EDGE = 760, 150, 62


def draw(found: Sensitivity, suggestion: Suggestion) -> Drawing:
    """A panel per layer: its curve from the unpruned accuracy on, and the rate suggested."""
    rows = -(-len(found.curves) // COLUMNS)
    height = EDGE + ROW * rows
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(left=0.075, right=0.985, top=1 - 24 / height, bottom=46 / height, wspace=0.12, hspace=0.35)
    titles: dict[str, str] = {}
    for number, axes in enumerate(panels.flat):
        if number < len(found.curves):
            curve = found.curves[number]
            suggested = suggestion.rates[curve.name]
            _panel(axes, found, curve, suggested, f"series-{number}")
            titles[f"series-{number}"] = f"{label(curve.name, 60)}: suggested rate {suggested:.2f}"
        else:
            axes.set_visible(False)
    figure.supxlabel("rate of this layer alone (dotted: suggested)", fontsize=10)
    figure.supylabel("accuracy on training inputs, %", fontsize=10)
    return Drawing(figure, titles)


def _panel(axes: Axes, found: Sensitivity, curve: Curve, suggested: float, group: str) -> None:
    accuracies = [100 * value for value in (found.unpruned, *curve.accuracies)]
    axes.axhline(100 * found.unpruned, color=DRAWN["unpruned"], linewidth=0.8, dashes=(2, 2), zorder=1)
    axes.plot((0.0, *found.rates), accuracies, color=RECIPES_LIGHT[0], marker="o", markersize=4, gid=group)
    axes.axvline(suggested, color=RECIPES_LIGHT[1], linewidth=1.2, linestyle=":")
    axes.set_title(label(curve.name, 24), fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xticks((0, 0.2, 0.4, 0.6, 0.8))
    axes.set_ylim(0, 102)
