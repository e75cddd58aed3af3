"""The first figure: the metric against the measured time, or the bit operations, of every network of the study."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from prunus.report.answer import ChoiceInfo, answer_info, choices_info
from prunus.report.content import Chart
from prunus.report.controls import control_name
from prunus.report.drawing import (
    NARROW,
    WIDE,
    Drawing,
    key,
    label,
    label_values,
    legend,
    new_figure,
)
from prunus.report.findings import Findings
from prunus.report.forms import MILLISECONDS, PERCENT
from prunus.report.metric import StudyMetric
from prunus.report.palette import DRAWN, Palette
from prunus.report.statistics import pareto_front
from prunus.report.tables import Table
from prunus.report.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST_DRAWN = 8
"""Recipes in the figure, controls apart."""

APART = 30, 14
"""Dots between marks, across and down, of which the second one's rate is written as well."""

CONTROL_MARKERS = {"random": "o", "dense": "s", "dense_longer": "D"}


@dataclass(frozen=True)
class PointInfo:
    """One network: what it costs on the horizontal axis, and its metric."""

    choice: ChoiceInfo
    cost: float
    metric: float


@dataclass(frozen=True)
class FrontsInfo:
    """What is drawn. is_timed: the cost is milliseconds, else it is effective BOPs in percent of the unpruned ones.

    front, control_front: networks that no other pruned one, or no other control, beats in both; cheapest first.
    """

    metric: StudyMetric
    is_timed: bool
    place: str
    points: tuple[PointInfo, ...]
    front: tuple[PointInfo, ...]
    control_front: tuple[PointInfo, ...]
    chosen: ChoiceInfo | None

    @property
    def shown(self) -> tuple[PointInfo, ...]:
        """The points that are drawn: others lose so much that nobody would choose them."""
        low, high = sorted(self.window)
        return tuple(point for point in self.points if low <= self.metric.scale * point.metric <= high)

    @cached_property
    def window(self) -> tuple[float, float]:
        """Ends of the vertical axis: six margins below the unpruned network, more if half of the points lie deeper."""
        metric = self.metric
        gains = [metric.gain(point.metric) for point in self.points]
        best = max(gains)
        deep = max(6 * metric.margin, 1.1 * (best - statistics.median(gains))) or 1.0
        low = max(best - deep, min(gains))
        room = 0.06 * (best - low) or 0.01 * abs(best) or 0.01
        ends = sorted(metric.scale * metric.gain(gain) for gain in (low - room, best + 1.5 * room))
        return ends[0], min(ends[1], metric.bounds(point.metric for point in self.points)[1] + 0.3)


def fronts_info(findings: Findings) -> FrontsInfo:
    """Times where any pruned network was timed beside the unpruned one, bit operations where none was."""
    choices = choices_info(findings)
    is_timed = any(one.time_share for one in choices)
    recipes = {recipe.name for recipe in findings.judged[:MOST_DRAWN]}
    drawn = [one for one in choices if one.recipe is None or one.control or one.recipe in recipes]
    points = tuple(
        PointInfo(one, cost, one.row.metric.mean)
        for one in drawn
        if one.row.metric and (cost := _cost(one, is_timed)) is not None and cost > 0
    )
    info, setting = answer_info(findings), next((one.time.setting for one in choices if one.time), None)
    return FrontsInfo(
        findings.metric,
        is_timed,
        f"batch {setting.batch_size}, {setting.threads} thread{'s' * (setting.threads > 1)}" if setting else "",
        points,
        _front([point for point in points if not point.choice.control], findings.metric),
        _front([point for point in points if point.choice.control], findings.metric),
        info.choice if info else None,
    )


def _cost(one: ChoiceInfo, is_timed: bool) -> float | None:
    if is_timed:
        return one.time.p50_ms if one.time else None
    share = one.row.effective_bops_share
    return None if share is None else 100 * share


def _front(points: list[PointInfo], metric: StudyMetric) -> tuple[PointInfo, ...]:
    indices = pareto_front([point.cost for point in points], [metric.gain(point.metric) for point in points])
    return tuple(points[index] for index in indices)


def draw(info: FrontsInfo, palette: Palette, narrow: bool = False) -> Drawing:
    """Marks with their rates, the fronts as steps, the margin as a band, the recommended network in a ring."""
    width, height, below = (NARROW, 390, 132) if narrow else (WIDE, 296, 78)
    figure, (axes,) = new_figure(width, height)
    figure.subplots_adjust(left=48 / width, right=1 - 8 / width, top=1 - 8 / height, bottom=below / height)
    axes.set_ylabel(info.metric.with_unit(f"final test {info.metric.name}"))
    axes.set_xlabel(
        f"measured ms, each in its fastest runtime ({info.place})"
        if info.is_timed and not narrow
        else f"measured ms ({info.place})"
        if info.is_timed
        else "effective BOPs, % of unpruned (computed)"
    )
    axes.set_xlim(0, 1.04 * max(point.cost for point in info.points))
    axes.set_ylim(*info.window)
    label_values(axes, info.metric)
    _margin_band(axes, info)
    _steps(axes, info.front, info.metric, "front", color=DRAWN["ink"], linewidth=1.3)
    if len(info.control_front) > 1:
        _steps(axes, info.control_front, info.metric, "controls", color=DRAWN["muted"], linewidth=1.1, dashes=(3, 2))
    titles: dict[str, str] = {}
    _marks(axes, info, palette, titles)
    _labels(axes, info)
    columns, left = (2, 0.0) if narrow else (4, 38 / width)
    legend(figure, _keys(info, palette), left, 0, columns, handlelength=1.4, columnspacing=1.2)
    return Drawing(figure, titles)


def _margin_band(axes: Axes, info: FrontsInfo) -> None:
    """What counts as no loss, around the unpruned network."""
    metric = info.metric
    unpruned = next((point.metric for point in info.points if point.choice.recipe is None), None)
    if unpruned is not None:
        low, high = (metric.scale * (unpruned + side * metric.margin) for side in (-1, 1))
        axes.axhspan(low, min(high, axes.get_ylim()[1]), color=DRAWN["grid"], alpha=0.6, linewidth=0, zorder=0)


def _steps(axes: Axes, front: tuple[PointInfo, ...], metric: StudyMetric, name: str, **look: Any) -> None:
    """A network on the front is the best one for every cost up to that of the next."""
    if front:
        xs = [*(point.cost for point in front), axes.get_xlim()[1]]
        ys = [metric.scale * point.metric for point in (*front, front[-1])]
        axes.plot(xs, ys, drawstyle="steps-post", zorder=1.5, label=name, **look)


def _marks(axes: Axes, info: FrontsInfo, palette: Palette, titles: dict[str, str]) -> None:
    for point in info.shown:
        one, group = point.choice, f"series-{len(titles)}"
        axes.plot([point.cost], [info.metric.scale * point.metric], gid=group, zorder=3, **_look(one, palette))
        titles[group] = _title(point, info)
        if one == info.chosen:
            axes.plot(
                [point.cost],
                [info.metric.scale * point.metric],
                "o",
                color="none",
                markeredgecolor=DRAWN["ink"],
                markeredgewidth=1.6,
                markersize=15,
                zorder=4,
            )


def _look(one: ChoiceInfo, palette: Palette) -> dict[str, Any]:
    """Filled in the recipe's colour; controls are hollow, and grey."""
    color = DRAWN["muted"] if one.control else palette.recipe(one.recipe)
    face, edge, width = (DRAWN["paper"], color, 1.2) if one.control else (color, DRAWN["paper"], 0.7)
    return {
        "marker": CONTROL_MARKERS.get(one.control, "o") if one.control else palette.marker(one.recipe),
        "color": face,
        "linestyle": "",
        "markeredgecolor": edge,
        "markeredgewidth": width,
        "markersize": 9 if one.recipe is None else 7.5,
    }


def _title(point: PointInfo, info: FrontsInfo) -> str:
    """What is said of a mark under the pointer."""
    one, metric = point.choice, info.metric
    name = f"{label(one.recipe, 60)}, rate {one.rate:g}" if one.recipe is not None else "unpruned"
    difference = f" ({metric.difference(one.row.difference)})" if one.row.difference else ""
    return f"{name}: {metric.value(point.metric)}{difference}, {_shown_cost(one, info)}"


def _shown_cost(one: ChoiceInfo, info: FrontsInfo) -> str:
    if info.is_timed and one.time:
        return f"{MILLISECONDS.show(one.time.p50_ms)} ms in {label(one.time.setting.runtime, 30)}"
    return f"{PERCENT.show(one.row.effective_bops_share)} % of the BOPs"


def _labels(axes: Axes, info: FrontsInfo) -> None:
    """The two marks that a reader looks for are named where they are; of the others the rate is."""
    taken: list[tuple[float, float]] = []
    order = sorted(info.shown, key=lambda point: (point.choice != info.chosen, point.choice.recipe is not None))
    for point in order:
        one, is_named = point.choice, point.choice == info.chosen or point.choice.recipe is None
        at = point.cost, info.metric.scale * point.metric
        x, y = (float(part) for part in axes.transData.transform(at))
        if not is_named and any(abs(x - other) < APART[0] and abs(y - level) < APART[1] for other, level in taken):
            continue
        taken.append((x, y))
        text = "unpruned" if one.recipe is None else f"{one.rate:g}"
        place: dict[str, Any] = {"xytext": (-6, 3), "ha": "right", "fontsize": 8, "color": DRAWN["muted"]}
        if is_named:
            ends = axes.get_xlim()
            side = "center" if 0.15 < (point.cost - ends[0]) / (ends[1] - ends[0]) < 0.85 else "right"
            place = {"xytext": (6 if side == "right" else 0, 12), "ha": side}
        if point.choice == info.chosen:
            text, place["fontweight"] = f"{label(one.recipe, 24)} {one.rate:g}", "bold"
        axes.annotate(text, at, textcoords="offset points", zorder=5, **place)


def _keys(info: FrontsInfo, palette: Palette) -> list[Line2D]:
    """An entry for each recipe and kind of control, the fronts, and the recommended network."""
    keys: list[Line2D] = []
    for one in (point.choice for point in info.shown if point.choice.recipe is not None):
        text = f"control: {control_name(one.control)}" if one.control else label(one.recipe, 30)
        if text not in [known.get_label() for known in keys]:
            keys.append(key(text, **_look(one, palette)))
    keys.append(key("front of the pruned", DRAWN["ink"], linestyle="-", linewidth=1.3))
    if len(info.control_front) > 1:
        keys.append(key("front of the controls", DRAWN["muted"], linestyle="-", linewidth=1.1, dashes=(3, 2)))
    if info.chosen:
        keys.append(
            key("recommended", "none", marker="o", markeredgecolor=DRAWN["ink"], markeredgewidth=1.6, markersize=11)
        )
    return keys


def fronts_chart(findings: Findings, table: Table) -> Chart | None:
    """The figure over a table; None where no network has a cost."""
    info = fronts_info(findings)
    if not info.points:
        return None
    metric, left = info.metric, len(info.points) - len(info.shown)
    cost = "measured time" if info.is_timed else "bit operations"
    below = f" {counted(left, 'network')} {'lies' if left == 1 else 'lie'} {metric.beyond} the figure." if left else ""
    return Chart(
        name="fronts",
        title=f"{metric.capitalised} against {cost}",
        description=f"Final test {metric.described} over {cost}, a mark per recipe and rate: shape and colour are the "
        "recipe, controls are hollow, stepped lines are the fronts, a ring is around the network to ship.",
        draw=partial(draw, info),
        narrow=partial(draw, info, narrow=True),
        table=table,
        caption=f"Numbers at the marks are rates; the band is {metric.within} around the unpruned network; the front "
        f"joins networks that no other one beats in both.{below}",
    )
