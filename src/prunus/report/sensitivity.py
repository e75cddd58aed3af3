"""The metric over the rate of each layer pruned alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunus.report.drawing import Drawing, label, new_figure, scale_of_values
from prunus.report.metric import StudyMetric
from prunus.report.palette import DRAWN, RECIPES_LIGHT
from prunus.sensitivity.suggestion import Curve, Sensitivity, Suggestion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
WIDTH, ROW, EDGE = 760, 150, 62


def draw(found: Sensitivity, suggestion: Suggestion) -> Drawing:
    """A panel per layer: its curve from the unpruned network on, and the rate suggested."""
    rows = -(-len(found.curves) // COLUMNS)
    height = EDGE + ROW * rows
    figure, panels = new_figure(WIDTH, height, COLUMNS, rows, shared=True)
    figure.subplots_adjust(left=0.075, right=0.985, top=1 - 24 / height, bottom=46 / height, wspace=0.12, hspace=0.35)
    metric = StudyMetric(found.metric)
    values = [value for curve in found.curves for value in (found.unpruned, *curve.values) if value is not None]
    titles: dict[str, str] = {}
    for number, axes in enumerate(panels):
        if number < len(found.curves):
            curve = found.curves[number]
            suggested = suggestion.rates[curve.name]
            _panel(axes, found, curve, suggested, f"series-{number}")
            scale_of_values(axes, metric, values)
            titles[f"series-{number}"] = f"{label(curve.name, 60)}: suggested rate {suggested:.2f}"
        else:
            axes.set_visible(False)
    figure.supxlabel("rate of this layer alone (dotted: suggested)", fontsize=10)
    figure.supylabel(metric.with_unit(f"{metric.name} on training inputs"), fontsize=10)
    return Drawing(figure, titles)


def _panel(axes: Axes, found: Sensitivity, curve: Curve, suggested: float, group: str) -> None:
    scale = found.metric.scale
    values = [math.nan if value is None else scale * value for value in (found.unpruned, *curve.values)]
    axes.axhline(scale * found.unpruned, color=DRAWN["unpruned"], linewidth=0.8, dashes=(2, 2), zorder=1)
    axes.plot((0.0, *found.rates), values, color=RECIPES_LIGHT[0], marker="o", markersize=4, gid=group)
    axes.axvline(suggested, color=RECIPES_LIGHT[1], linewidth=1.2, linestyle=":")
    axes.set_title(label(curve.name, 24), fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xticks((0, 0.2, 0.4, 0.6, 0.8))
