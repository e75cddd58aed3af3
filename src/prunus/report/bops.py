"""Bit operations of every network, and the metric against them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from prunus.report.bits import bits_blocks, ways_info
from prunus.report.content import Block, Chart, Page, Paragraph
from prunus.report.costs import CostInfo, costs_info
from prunus.report.drawing import (
    Drawing,
    error_scale,
    is_drawn,
    key,
    keys_of_rates,
    keys_of_recipes,
    label,
    legend,
    new_figure,
    scale_of_values,
)
from prunus.report.findings import Findings
from prunus.report.forms import PERCENT, PREFIXED, TEXT, TIMES, with_prefix
from prunus.report.metric import StudyMetric
from prunus.report.names import visible
from prunus.report.palette import DRAWN, Palette
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def bops_table(findings: Findings) -> Table:
    """A row per recipe and rate, the unpruned network first."""
    metric = findings.metric
    return table_of(
        "bops",
        "BOPs of every curve, for one input",
        costs_info(findings),
        (
            *RECIPE_AND_RATE,
            ("dense BOPs", PREFIXED, "computed", lambda cost: cost.dense_bops),
            ("dense, % of unpruned", PERCENT, "computed", lambda cost: cost.dense_bops_share),
            ("effective BOPs", PREFIXED, "computed", lambda cost: cost.effective_bops),
            ("effective, % of unpruned", PERCENT, "computed", lambda cost: cost.effective_bops_share),
            ("theoretical speed-up", TIMES, "computed", lambda cost: cost.theoretical_speedup),
            ("on Pareto front", TEXT, None, lambda cost: _front(cost.on_dense_front, cost.on_effective_front)),
            (metric.with_unit(metric.name), metric.value_interval, "measured", lambda cost: cost.metric),
        ),
    )


def _front(dense: bool, effective: bool) -> str:
    return ", ".join(name for name, on in (("dense", dense), ("effective", effective)) if on)


def draw(costs: tuple[CostInfo, ...], metric: StudyMetric, palette: Palette) -> Drawing:
    """Two panels with the same values: what is executed if zeros are ignored, and what if they are skipped."""
    from matplotlib.ticker import NullFormatter

    figure, (dense, effective) = new_figure(760, 390, 2, wspace=0.09)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.93, bottom=0.29)
    titles: dict[str, str] = {}
    paint = partial(_panel, costs=costs, metric=metric, palette=palette, titles=titles)
    paint(dense, bops=lambda cost: cost.dense_bops, on_front=lambda cost: cost.on_dense_front)
    paint(effective, bops=lambda cost: cost.effective_bops, on_front=lambda cost: cost.on_effective_front)
    dense.set_title("dense: zeros are executed")
    effective.set_title("effective: zeros are skipped")
    dense.set_ylabel(metric.with_unit(f"final test {metric.name}"))
    dense.set_xlabel("dense BOPs per input, computed")
    effective.set_xlabel("effective BOPs per input, computed")
    values = [cost.metric.mean for cost in costs if cost.metric]
    for axes in (dense, effective):
        if metric.best_is_100(values):
            error_scale(axes, [100 * value for value in values])
        else:
            scale_of_values(axes, metric, values, from_zero=False)
    effective.yaxis.set_major_formatter(NullFormatter())
    _legend(figure, costs, palette)
    return Drawing(figure, titles)


def _panel(
    axes: Axes,
    costs: tuple[CostInfo, ...],
    metric: StudyMetric,
    palette: Palette,
    bops: Callable[[CostInfo], float | None],
    on_front: Callable[[CostInfo], bool],
    titles: dict[str, str],
) -> None:
    from matplotlib.ticker import LogLocator

    shown = [(cost, x, cost.metric.mean) for cost in costs if (x := bops(cost)) and x > 0 and cost.metric]
    front = sorted((x, y) for cost, x, y in shown if on_front(cost))
    if front:
        right = max(x for _, x, _ in shown)
        xs, ys = [*(x for x, _ in front), right], [metric.scale * y for _, y in (*front, front[-1])]
        axes.plot(xs, ys, color=DRAWN["muted"], linewidth=1.1, drawstyle="steps-post", zorder=1, label="front")
    for cost, x, y in shown:
        group = f"series-{len(titles)}"
        axes.plot(
            [x],
            [metric.scale * y],
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
        titles[group] = f"{name}{rate}: {metric.value(y)}, {with_prefix(x)} BOPs"
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: with_prefix(value))


def _legend(figure: Figure, costs: tuple[CostInfo, ...], palette: Palette) -> None:
    front = key("Pareto front", DRAWN["muted"], linestyle="-", linewidth=1.1)
    recipes = [*keys_of_recipes(palette, (cost.recipe for cost in costs)), front]
    legend(figure, recipes, 0.055, 0.055, 3, handlelength=1.2)
    legend(figure, keys_of_rates(palette, (cost.rate for cost in costs)), 0.055, -0.01, 9, handlelength=1.2)


class BopsPage(Page):
    """What each network costs in bit operations."""

    title: ClassVar[str] = "Bit operations"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """The metric against BOPs with the Pareto front, and the BOPs of every curve."""
        measurement = findings.rows.study.measurement
        own = ", but for layers that a recipe quantises" if ways_info(findings) else ""
        blocks: list[Block] = [
            Paragraph(
                "BOPs are the sum over layers of multiply-accumulates × weight bits × activation bits "
                f"({measurement.weight_bits} × {measurement.activation_bits} here{own}), for one input. Dense BOPs are "
                "what a runtime executes that ignores zeros, effective BOPs those with a non-zero weight. Both "
                "are computed from the final network; neither is a time."
            )
        ]
        if missing := sorted({name for cost in costs_info(findings) for name in cost.not_counted}):
            blocks.append(Paragraph(f"Not counted: {visible(', '.join(missing), 400)}.", "warning"))
        blocks += bits_blocks(findings)
        table = bops_table(findings)
        drawn = tuple(
            cost
            for cost in costs_info(findings)
            if cost.metric and cost.effective_bops and is_drawn(findings, cost.recipe, cost.rate)
        )
        if not drawn:
            return (*blocks, Paragraph("No finished trial has its cost computed.", "note"), table)
        return (*blocks, _chart(drawn, findings.metric, table))


def _chart(drawn: tuple[CostInfo, ...], metric: StudyMetric, table: Table) -> Chart:
    as_good = "accurate" if metric.is_accuracy else "good"
    is_in_the_error = metric.best_is_100(cost.metric.mean for cost in drawn if cost.metric)
    error_scale = f" The {metric.name} axis is logarithmic in the error." if is_in_the_error else ""
    return Chart(
        name=f"{metric.key}-bops",
        title=f"Final {metric.name} against bit operations",
        description=f"Final test {metric.described} over BOPs per input on a logarithmic axis, dense on the left, "
        "effective on the right: colour is the rate, shape the recipe, the stepped line the Pareto front. The "
        "table has the numbers.",
        draw=partial(draw, drawn, metric),
        table=table,
        caption="On the Pareto front is a network that no other one beats: none is cheaper and as "
        f"{as_good}.{error_scale}",
    )
