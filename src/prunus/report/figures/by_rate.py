"""Final accuracy by rate, all recipes in one picture."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from prunus.report.analysis.summary import SummaryInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.statistics import Interval
from prunus.report.words import accuracy

NEAR = 6.0
Line = list[tuple[float, Interval]]


def draw(rows: tuple[SummaryInfo, ...], recipes: tuple[str, ...], palette: Palette) -> Drawing:
    """A line per recipe from the unpruned network on, with 95 % intervals: at full scale, and near the unpruned one."""
    figure, (whole, near) = new_figure(760, 370, 2, wspace=0.14)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.925, bottom=0.265)
    control = [(row.rate, row.accuracy) for row in rows if row.recipe is None and row.accuracy]
    titles: dict[str, str] = {}
    handles = []
    for index, name in enumerate(recipes):
        own = [(row.rate, row.accuracy) for row in rows if row.recipe == name and row.accuracy]
        if not own:
            continue
        shift = 0.007 * (index - (len(recipes) - 1) / 2)  # so that equal values do not hide each other
        for axes, group, alpha in ((whole, f"series-{index}", 0.75), (near, f"series-near-{index}", 0.35)):
            _line(axes, [*control, *own], shift, palette, name, group, alpha)
            titles[group] = f"{label(name, 60)}: {accuracy(own[-1][1])} at rate {own[-1][0]:g}"
        color, marker = palette.recipe(name), palette.marker(name)
        handles.append(Line2D([], [], label=label(name, 34), color=color, marker=marker, markersize=5.5))
    whole.set_ylim(0, 102)
    whole.set_title("full scale")
    whole.set_ylabel("final test accuracy, %")
    _magnify(near, [value for row in rows if (value := row.accuracy)], control)
    for axes in (whole, near):
        axes.set_xlabel("pruning rate asked for")
        rates = sorted({row.rate for row in rows})
        axes.set_xticks(rates if len(rates) <= 11 else rates[:: len(rates) // 8])
    if handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.055, -0.01), ncols=3, columnspacing=1.6)
    return Drawing(figure, titles)


def _line(axes: Axes, points: Line, shift: float, palette: Palette, name: str, group: str, alpha: float) -> None:
    color = palette.recipe(name)
    rates = [rate + (shift if rate > 0 else 0) for rate, _ in points]
    means = [100 * value.mean for _, value in points]
    axes.plot(rates, means, color=color, marker=palette.marker(name), markersize=5.5, gid=group)
    for rate, (_, value) in zip(rates, points, strict=True):
        if value.low is not None and value.high is not None:
            ends = [max(100 * value.low, 0), min(100 * value.high, 100)]
            axes.plot([rate, rate], ends, color=color, linewidth=1, alpha=alpha)


def _magnify(axes: Axes, values: list[Interval], control: Line) -> None:
    """Within six points of the unpruned network, or of the best where that one is missing."""
    top = control[0][1].mean if control else max(value.mean for value in values)
    means = [100 * value.mean for value in values if value.mean >= top - NEAR / 100]
    low, high = min(means), max(means)
    margin = max(0.25 * (high - low), 0.8)
    axes.set_ylim(low - margin, min(high + margin, 100.2) if high <= 100 else high + margin)
    axes.axhline(100 * top, color=DRAWN["muted"], linewidth=0.8, dashes=(2, 2), zorder=1)
    axes.set_title(f"within {NEAR:g} points of unpruned, magnified")
