"""One row per recipe and rate: the whole study at a glance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from prunus.report.achieved import sparsity
from prunus.report.classes import balanced_accuracies
from prunus.report.comparisons import Reading
from prunus.report.content import Chart
from prunus.report.costs import cost_of
from prunus.report.drawing import (
    MOST_RECIPES,
    Drawing,
    drawn_rates,
    drawn_recipes,
    key,
    label,
    label_values,
    legend,
    new_figure,
    scale_of_values,
)
from prunus.report.findings import Cell, Findings, Key, once_per_study
from prunus.report.forms import ACCURACY, PERCENT, RATIO, TEXT, TIMES_SPAN
from prunus.report.latencies import LatencyReading, latency_of, settings_info
from prunus.report.losses import loss_of
from prunus.report.metric import StudyMetric
from prunus.report.palette import DRAWN, Palette
from prunus.report.sizes import SizeInfo, sizes_info
from prunus.report.statistics import Interval, mean_interval, ratio
from prunus.report.tables import RECIPE_AND_RATE, Filled, Table, table_of
from prunus.report.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class TimedInfo:
    """A cell's median latency in one setting, and its ratio to the unpruned network's."""

    setting: str
    p50_ms: float
    ratio: Interval | None
    reading: LatencyReading


@dataclass(frozen=True)
class SummaryInfo:
    """One cell. Shares and ratios are of the unpruned network; `recipe` is None for that one itself."""

    recipe: str | None
    rate: float
    trials: int
    finished: int
    failed: int
    metric: Interval | None
    balanced: Interval | None  # accuracy, every class counting as much
    difference: Interval | None
    reading: Reading
    sparsity: float | None
    effective_macs_share: float | None  # computed
    effective_bops_share: float | None  # computed
    file_format: str | None
    size_bytes: float | None  # measured
    size_ratio: float | None
    latencies: tuple[TimedInfo, ...]  # measured; one per setting


@once_per_study
def summary_info(findings: Findings) -> tuple[SummaryInfo, ...]:
    """All cells, the control first; of several file formats the first."""
    first_size: dict[Key, SizeInfo] = {}
    for size in sizes_info(findings):
        first_size.setdefault((size.recipe, size.rate), size)
    return tuple(_summary(findings, cell, first_size.get(cell.key)) for cell in findings.all_cells)


@once_per_study
def results_info(findings: Findings) -> tuple[SummaryInfo, ...]:
    """The rows of the summary without the controls."""
    names = {recipe.name for recipe in findings.judged}
    return tuple(row for row in summary_info(findings) if row.recipe is None or row.recipe in names)


def _summary(findings: Findings, cell: Cell, size: SizeInfo | None) -> SummaryInfo:
    loss, cost, balanced = loss_of(findings)[cell.key], cost_of(findings)[cell.key], balanced_accuracies(findings)
    timed = [latency_of(findings).get((*cell.key, setting)) for setting in settings_info(findings)]
    return SummaryInfo(
        recipe=cell.recipe,
        rate=cell.rate,
        trials=len(cell.trials),
        finished=len(cell.finished),
        failed=sum(trial.status == "failed" for trial in cell.trials),
        metric=loss.final,
        balanced=mean_interval((balanced.get(trial.trial) for trial in cell.finished), findings.resolution),
        difference=loss.difference,
        reading=loss.reading,
        sparsity=sparsity(findings, cell),
        effective_macs_share=ratio(
            cost.effective_macs, findings.mean_cost(findings.control, lambda row: row.dense_macs)
        ),
        effective_bops_share=cost.effective_bops_share,
        file_format=size.format if size else None,
        size_bytes=size.size_bytes if size else None,
        size_ratio=size.ratio if size else None,
        latencies=tuple(TimedInfo(one.setting.label, one.p50_ms, one.ratio, one.reading) for one in timed if one),
    )


def summary_table(findings: Findings) -> Table:
    """A row per recipe and rate, the unpruned network first."""
    settings = len(settings_info(findings))
    size = next((row.file_format for row in summary_info(findings) if row.file_format), "file")
    metric = findings.metric
    balanced: Filled[SummaryInfo] = (
        "balanced, %",
        ACCURACY,
        "measured",
        lambda row: row.balanced.mean if row.balanced else None,
    )
    difference, file = metric.with_difference_unit("to unpruned"), f"{size} / unpruned"
    timed = f"; latency from best to worst of {counted(settings, 'measured setting')}" if settings else ""
    return table_of(
        "summary",
        f"Every recipe at every rate; % and ratios are of the unpruned network{timed}",
        summary_info(findings),
        (
            *RECIPE_AND_RATE,
            ("trials", TEXT, None, _trials),
            (metric.with_unit(metric.name), metric.value_interval, "measured", lambda row: row.metric),
            *((balanced,) if metric.is_accuracy else ()),
            (
                difference,
                metric.difference_interval,
                "measured",
                lambda row: row.difference,
            ),
            ("sparsity, %", PERCENT, "computed", lambda row: row.sparsity),
            ("effective BOPs, %", PERCENT, "computed", lambda row: row.effective_bops_share),
            (file, RATIO, "measured", lambda row: row.size_ratio),
            (
                "latency / unpruned",
                TIMES_SPAN,
                "measured",
                lambda row: [one.ratio.mean for one in row.latencies if one.ratio],
            ),
        ),
        limits=(
            (difference, "least" if metric.better == "higher" else "most"),
            ("latency / unpruned", "most"),
            (file, "most"),
            ("effective BOPs, %", "most"),
        ),
    )


def _trials(row: SummaryInfo) -> str:
    """How many finished, and what became of the others."""
    left = row.trials - row.finished - row.failed
    parts = [str(row.finished)]
    parts += [f"{row.failed} failed"] if row.failed else []
    parts += [f"{left} to come"] if left else []
    return ", ".join(parts)


NEAR = 6.0
"""How many points, or margins of a metric that is no share, are drawn around the unpruned network."""

Line = list[tuple[float, Interval]]


def draw(rows: tuple[SummaryInfo, ...], recipes: tuple[str, ...], metric: StudyMetric, palette: Palette) -> Drawing:
    """A line per recipe from the unpruned network on, with 95 % intervals: at full scale, and near the unpruned one."""
    figure, (whole, near) = new_figure(760, 370, 2, wspace=0.14)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.925, bottom=0.265)
    control = [(row.rate, row.metric) for row in rows if row.recipe is None and row.metric]
    values = [row.metric for row in rows if row.metric]
    bounds = metric.bounds(value.mean for value in values)
    titles: dict[str, str] = {}
    keys = []
    for index, name in enumerate(recipes):
        own = [(row.rate, row.metric) for row in rows if row.recipe == name and row.metric]
        if not own:
            continue
        shift = 0.007 * (index - (len(recipes) - 1) / 2)  # so that equal values do not hide each other
        for axes, group, alpha in ((whole, f"series-{index}", 0.75), (near, f"series-near-{index}", 0.35)):
            look = _Look(palette.recipe(name), palette.marker(name), group, alpha)
            _line(axes, [*control, *own], shift, metric.scale, bounds, look)
            titles[group] = f"{label(name, 60)}: {metric.value(own[-1][1])} at rate {own[-1][0]:g}"
        color, marker = palette.recipe(name), palette.marker(name)
        keys.append(key(label(name, 34), color, marker=marker, linestyle="-", markersize=5.5))
    scale_of_values(whole, metric, [r.metric.mean for r in rows if r.metric and r.recipe in (None, *recipes)])
    whole.set_title("full scale")
    whole.set_ylabel(metric.with_unit(f"final test {metric.name}"))
    _magnify(near, values, control, metric)
    for axes in (whole, near):
        axes.set_xlabel("pruning rate asked for")
        rates = sorted({row.rate for row in rows})
        axes.set_xticks(rates if len(rates) <= 11 else rates[:: len(rates) // 8])
    if keys:
        legend(figure, keys, 0.055, -0.01, 3, columnspacing=1.6, handletextpad=0.8)
    return Drawing(figure, titles)


@dataclass(frozen=True)
class _Look:
    """How a recipe's line is drawn."""

    color: str
    marker: str
    group: str
    alpha: float


def _line(axes: Axes, points: Line, shift: float, scale: float, bounds: tuple[float, float], look: _Look) -> None:
    rates = [rate + (shift if rate > 0 else 0) for rate, _ in points]
    means = [scale * value.mean for _, value in points]
    axes.plot(rates, means, color=look.color, marker=look.marker, markersize=5.5, gid=look.group)
    for rate, (_, value) in zip(rates, points, strict=True):
        if value.low is not None and value.high is not None:
            ends = [max(scale * value.low, bounds[0]), min(scale * value.high, bounds[1])]
            axes.plot([rate, rate], ends, color=look.color, linewidth=1, alpha=look.alpha)


def _magnify(axes: Axes, values: list[Interval], control: Line, metric: StudyMetric) -> None:
    """Within six points (or margins) of the unpruned network, or of the best where that one is missing."""
    top = control[0][1].mean if control else max((value.mean for value in values), key=metric.gain)
    near = NEAR / 100 if metric.is_share else NEAR * metric.margin or math.inf
    means = [metric.scale * value.mean for value in values if metric.gain(value.mean) >= metric.gain(top) - near]
    low, high = min(means), max(means)
    margin = max(0.25 * (high - low), 0.8 if metric.is_share else metric.margin or 1e-9)
    axes.set_ylim(low - margin, min(high + margin, metric.bounds(value.mean for value in values)[1] + 0.2))
    axes.axhline(metric.scale * top, color=DRAWN["muted"], linewidth=0.8, dashes=(2, 2), zorder=1)
    label_values(axes, metric)
    close_by = "near" if math.isinf(near) else f"within {metric.amount(near)} of"
    axes.set_title(f"{close_by} unpruned, magnified")


def by_rate_chart(findings: Findings) -> Chart:
    """The final metric by rate, above the table."""
    metric = findings.metric
    recipes, rates = drawn_recipes(findings), drawn_rates(findings)
    drawn = tuple(row for row in summary_info(findings) if row.rate in rates)
    more = f" The first {MOST_RECIPES} recipes are drawn." if len(findings.judged) > MOST_RECIPES else ""
    cut = ", cut at 0 and 100 %" if metric.bounds(row.metric.mean for row in drawn if row.metric)[1] == 100 else ""
    return Chart(
        name=f"{metric.key}-by-rate",
        title=f"Final test {metric.name} by pruning rate",
        description=f"A line per recipe: final test {metric.described} over the pruning rate asked for, starting "
        "at the unpruned network, with 95 % intervals over seeds. The table below has the numbers.",
        draw=partial(draw, drawn, recipes, metric),
        table=summary_table(findings),
        caption=f"Mean over seeds; whiskers are 95 % t intervals{cut}.{more}",
    )
