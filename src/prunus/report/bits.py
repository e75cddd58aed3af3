"""Zeros, bits, or both: the metric against relative bit operations, with a front for each of the three."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal, get_args

from prunus.report.content import Block, Chart, Paragraph
from prunus.report.costs import CostInfo, costs_info
from prunus.report.drawing import Drawing, key, label, legend, new_figure
from prunus.report.findings import Findings, once_per_study
from prunus.report.forms import PERCENT, TEXT
from prunus.report.losses import loss_of
from prunus.report.metric import StudyMetric
from prunus.report.palette import DRAWN, RECIPES_LIGHT, Palette
from prunus.report.statistics import Interval, pareto_front
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.report.words import joined, percent

Way = Literal["pruned alone", "quantised alone", "both"]
MARKS: dict[Way, tuple[str, str]] = {
    "pruned alone": ("o", RECIPES_LIGHT[0]),
    "quantised alone": ("s", RECIPES_LIGHT[1]),
    "both": ("^", RECIPES_LIGHT[2]),
}
"""Shape and colour of each way's marks."""


@dataclass(frozen=True)
class WayInfo:
    """One network: which way it got its bit operations, and what it kept.

    share: its effective BOPs over those of the unpruned network at 32 bits. keeps: it is shown to lose no more than the
    margin. on_front: no other network of its way is as cheap and better.
    """

    recipe: str
    rate: float
    way: Way
    share: float
    metric: Interval
    keeps: bool
    on_front: bool = False


@once_per_study
def ways_info(findings: Findings) -> tuple[WayInfo, ...]:
    """All networks but the unpruned one and controls; empty for a study in which nothing is quantised."""
    quantises = {recipe.name: recipe.quantises for recipe in findings.judged}
    if not any(quantises.values()):
        return ()
    losses = loss_of(findings)
    points = []
    for cost in costs_info(findings):
        if cost.recipe in quantises and cost.recipe is not None and cost.metric and cost.effective_bops_share:
            loss = losses.get((cost.recipe, cost.rate))
            way, kept = _way(cost, quantises[cost.recipe]), loss is not None and loss.keeps
            points.append(WayInfo(cost.recipe, cost.rate, way, cost.effective_bops_share, cost.metric, kept))
    return tuple(point for way in get_args(Way) for point in _with_front(findings.metric, points, way))


def _way(cost: CostInfo, quantises: bool) -> Way:
    if not quantises:
        return "pruned alone"
    return "both" if cost.rate > 0 else "quantised alone"


def _with_front(metric: StudyMetric, points: list[WayInfo], way: Way) -> Iterator[WayInfo]:
    own = [point for point in points if point.way == way]
    front = pareto_front([point.share for point in own], [metric.gain(point.metric.mean) for point in own])
    for index, point in enumerate(own):
        yield WayInfo(**{**vars(point), "on_front": index in front})


def cheapest_way(findings: Findings) -> str:
    """Which way is shown to keep the metric at the fewest bit operations, and by how much."""
    cheapest: dict[Way, WayInfo] = {}
    for point in sorted(ways_info(findings), key=lambda point: point.share):
        if point.keeps:
            cheapest.setdefault(point.way, point)
    metric = findings.metric
    if not cheapest:
        return f"No network with fewer bit operations is shown to {metric.lose_no_more}."
    named = [
        f"{percent(one.share)} {way} (`{one.recipe}`{f' at rate {one.rate:g}' if one.rate else ''})"
        for way, one in cheapest.items()
    ]
    verdict = _verdict(cheapest)
    return (
        f"The fewest bit operations, relative to the unpruned network's at 32 bits, with which a network is shown to "
        f"{metric.lose_no_more}: {joined(named)}. {verdict}"
    )


def _verdict(cheapest: dict[Way, WayInfo]) -> str:
    best = min(cheapest.values(), key=lambda one: one.share)
    if best.way == "quantised alone":
        return "Quantising alone would have been enough."
    if best.way == "pruned alone":
        return "Pruning alone would have been enough."
    others = [one.share for one in cheapest.values() if one.way != "both"]
    if not others:
        return "Neither alone is shown to keep as much."
    return f"Both together take {percent(best.share / min(others))} of the bit operations of the better one alone."


def best_ways(findings: Findings) -> str:
    """Which way has the best mean with at most so many bit operations; empty where one way is best throughout."""
    metric, best, found = findings.metric, None, []
    for point in sorted(ways_info(findings), key=lambda point: (point.share, -metric.gain(point.metric.mean))):
        if best is None or metric.gain(point.metric.mean) > metric.gain(best.metric.mean):
            best = point
            found.append((point.share, point.way))
    spans = [(next(group)[0], way) for way, group in groupby(found, key=lambda each: each[1])]
    if len(spans) < 2:
        return ""
    parts = [f"{way} from {percent(share)}" for share, way in spans]
    return f"By means alone, the best network within a budget of bit operations is {joined(parts)} on."


def ways_table(findings: Findings) -> Table:
    """A row per network, the cheapest first."""
    metric = findings.metric
    return table_of(
        "zeros-and-bits",
        "Relative BOPs of networks that are pruned, quantised, or both",
        sorted(ways_info(findings), key=lambda point: point.share),
        (
            *RECIPE_AND_RATE,
            ("way", TEXT, None, lambda point: point.way),
            ("effective BOPs, % of unpruned at 32 bits", PERCENT, "computed", lambda point: point.share),
            (metric.with_unit(metric.name), metric.value_interval, "measured", lambda point: point.metric),
            (f"shown to {metric.lose_no_more}", TEXT, None, lambda point: "yes" if point.keeps else "no"),
            ("on its way's front", TEXT, None, lambda point: "yes" if point.on_front else "no"),
        ),
    )


def draw(points: tuple[WayInfo, ...], unpruned: float | None, metric: StudyMetric, _: Palette) -> Drawing:
    """Means with their intervals over relative BOPs, and a stepped front for each way."""
    from matplotlib.ticker import LogLocator

    figure, (axes,) = new_figure(760, 360)
    figure.subplots_adjust(left=0.075, right=0.98, top=0.96, bottom=0.24)
    titles: dict[str, str] = {}
    for way, (marker, color) in MARKS.items():
        own = [point for point in points if point.way == way]
        front = sorted((100 * point.share, metric.scale * point.metric.mean) for point in own if point.on_front)
        if front:
            axes.plot(*zip(*front, strict=True), color=color, linewidth=1.3, drawstyle="steps-post", zorder=1)
        for point in own:
            group, x = f"series-{len(titles)}", 100 * point.share
            if point.metric.low is not None and point.metric.high is not None:
                ends = [metric.scale * point.metric.low, metric.scale * point.metric.high]
                axes.plot([x, x], ends, color=color, linewidth=1, alpha=0.5, zorder=2)
            look: dict[str, Any] = {
                "markeredgecolor": DRAWN["paper"],
                "markeredgewidth": 0.7,
                "markersize": 7,
                "zorder": 3,
            }
            axes.plot([x], [metric.scale * point.metric.mean], marker, color=color, gid=group, **look)
            name = f"{label(point.recipe, 60)}, rate {point.rate:g}, {way}"
            titles[group] = f"{name}: {metric.value(point.metric.mean)} with {percent(point.share)} of the BOPs"
    if unpruned is not None:
        axes.axhline(metric.scale * unpruned, color=DRAWN["unpruned"], linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("effective BOPs, % of the unpruned network's at 32 bits, computed")
    axes.set_ylabel(metric.with_unit(f"final test {metric.name}"))
    keys = [key(way, color, marker=marker, linestyle="-", linewidth=1.3) for way, (marker, color) in MARKS.items()]
    keys.append(key("unpruned", DRAWN["unpruned"], linestyle=(0, (4, 3)), linewidth=1))
    legend(figure, keys, 0.065, -0.01, 4, handlelength=1.6)
    return Drawing(figure, titles)


def bits_blocks(findings: Findings) -> tuple[Block, ...]:
    """What zeros, bits and both came to; nothing for a study in which nothing is quantised."""
    points = ways_info(findings)
    if not points:
        return ()
    metric = findings.metric
    control = findings.metric_of(findings.control)
    sentences = (text for text in (cheapest_way(findings), best_ways(findings)) if text)
    chart = Chart(
        name=f"{metric.key}-zeros-and-bits",
        title=f"Final {metric.name} against relative bit operations: zeros, bits, or both",
        description=f"Final test {metric.described} over effective BOPs relative to the unpruned network's at 32 bits, "
        "on a logarithmic axis: shape and colour say whether a network was pruned, quantised or both, and each of the "
        "three has its Pareto front. The table has the numbers.",
        draw=partial(draw, points, control.mean if control else None, metric),
        table=ways_table(findings),
        caption="Each layer counts with its own bits and its own zeros. Bit operations are no time: most runtimes "
        "ignore zeros, and compute with 8 bits what has fewer.",
    )
    return (*(Paragraph(text) for text in sentences), chart)
