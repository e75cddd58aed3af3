"""Accuracy against bit operations, dense and effective, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from prunus.report.analysis.costs import CostInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.forms import with_prefix
from prunus.report.words import accuracy

FloatArray = npt.NDArray[np.float64]


def draw(costs: tuple[CostInfo, ...], palette: Palette) -> Drawing:
    """Two panels with the same accuracies: what is executed if zeros are ignored, and what if they are skipped."""
    figure, (dense, effective) = new_figure(760, 390, 2, wspace=0.09)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.93, bottom=0.29)
    titles: dict[str, str] = {}
    _panel(dense, costs, palette, lambda cost: cost.dense_bops, lambda cost: cost.on_dense_front, titles)
    _panel(effective, costs, palette, lambda cost: cost.effective_bops, lambda cost: cost.on_effective_front, titles)
    dense.set_title("dense: zeros are executed")
    effective.set_title("effective: zeros are skipped")
    dense.set_ylabel("final test accuracy, %")
    dense.set_xlabel("dense BOPs per input, computed")
    effective.set_xlabel("effective BOPs per input, computed")
    _error_scale(dense, [100 * cost.accuracy.mean for cost in costs if cost.accuracy])
    _error_scale(effective, [100 * cost.accuracy.mean for cost in costs if cost.accuracy])
    effective.set_yticklabels([])
    _legend(figure, costs, palette)
    return Drawing(figure, titles)


def _panel(
    axes: Axes,
    costs: tuple[CostInfo, ...],
    palette: Palette,
    bops: Callable[[CostInfo], float | None],
    on_front: Callable[[CostInfo], bool],
    titles: dict[str, str],
) -> None:
    shown = [(cost, x, cost.accuracy.mean) for cost in costs if (x := bops(cost)) and x > 0 and cost.accuracy]
    front = sorted((x, y) for cost, x, y in shown if on_front(cost))
    if front:
        right = max(x for _, x, _ in shown)
        xs, ys = [*(x for x, _ in front), right], [*(100 * y for _, y in front), 100 * front[-1][1]]
        axes.plot(xs, ys, color=DRAWN["muted"], linewidth=1.1, drawstyle="steps-post", zorder=1, label="front")
    for cost, x, y in shown:
        group = f"series-{len(titles)}"
        axes.plot(
            [x],
            [100 * y],
            palette.marker(cost.recipe),
            color=palette.rate(cost.rate),
            markersize=7,
            gid=group,
            markeredgecolor=DRAWN["paper"],
            markeredgewidth=0.7,
            zorder=3 if on_front(cost) else 2,
        )
        rate = f", rate {cost.rate:g}" if cost.rate else ""
        name = label(cost.recipe, 60) if cost.recipe is not None else "unpruned"
        titles[group] = f"{name}{rate}: {accuracy(y)}, {with_prefix(x)} BOPs"
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: with_prefix(value)))


def _error_scale(axes: Axes, accuracies: list[float]) -> None:
    """Logarithmic in the error, so that both a collapse and the last percent can be seen."""

    def to_axis(accuracy: FloatArray) -> FloatArray:
        result: FloatArray = -np.log10(np.maximum(100 - accuracy, -0.6) + 0.7)
        return result

    def from_axis(position: FloatArray) -> FloatArray:
        result: FloatArray = 100.7 - 10.0 ** (-position)
        return result

    axes.set_yscale("function", functions=(to_axis, from_axis))
    low, high = min(accuracies), max(accuracies)
    margin = 0.07 * float(np.ptp(to_axis(np.array([low, high])))) + 0.02
    limits = from_axis(to_axis(np.array([low, high])) + np.array([-margin, margin]))
    axes.set_ylim(max(float(limits[0]), -5), min(float(limits[1]), 100.4))
    bottom, top = axes.get_ylim()
    ticks = [tick for tick in (0, 20, 40, 60, 70, 80, 90, 95, 97, 98, 99, 100) if bottom <= tick <= top]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(ticks, [str(tick) for tick in ticks])


def _legend(figure: Figure, costs: tuple[CostInfo, ...], palette: Palette) -> None:
    recipes = list(dict.fromkeys(cost.recipe for cost in costs if cost.recipe is not None))[:8]
    rates = sorted({cost.rate for cost in costs})[:9]
    shapes = [
        Line2D([], [], color=DRAWN["muted"], marker=palette.marker(r), linestyle="", label=label(r, 34))
        for r in recipes
    ]
    shapes.append(Line2D([], [], color=DRAWN["muted"], linewidth=1.1, label="Pareto front"))
    dots = [
        Line2D([], [], color=palette.rate(r), marker="o", linestyle="", label=f"rate {r:g}" if r else "unpruned")
        for r in rates
    ]
    spacing = {"columnspacing": 1.4, "handletextpad": 0.3, "handlelength": 1.2}
    figure.legend(handles=shapes, loc="lower left", bbox_to_anchor=(0.055, 0.055), ncols=3, **spacing)
    figure.legend(handles=dots, loc="lower left", bbox_to_anchor=(0.055, -0.01), ncols=9, **spacing)
