"""What pruning cost against the unpruned network, paired by seed, and how many epochs it took."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from prunus.report.comparisons import Comparison, Reading, compared, largest_spread, paired_difference
from prunus.report.content import Block, Chart, Page, Paragraph
from prunus.report.drawing import Drawing, is_drawn, keys_of_rates, label, legend, mark_interval, new_figure, set_ticks
from prunus.report.findings import Cell, Findings, Key, once_per_study
from prunus.report.forms import P_VALUE, TEXT, Number, two_digits
from prunus.report.leaderboard import leaderboard_blocks
from prunus.report.measures import measures_blocks
from prunus.report.metric import StudyMetric
from prunus.report.palette import DRAWN, Palette
from prunus.report.statistics import Interval, t_quantile
from prunus.report.tables import RECIPE_AND_RATE, Table, table_of
from prunus.report.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LossInfo:
    """One cell against the unpruned network: its final metric, and that less the unpruned network's.

    worse: the reading of a difference for the worse, `lower` where a higher metric is better.
    """

    recipe: str | None
    rate: float
    final: Interval | None
    comparison: Comparison
    epochs_to_reach: tuple[int | None, ...]  # of each seed that has an unpruned trial; None: not reached
    worse: Literal["lower", "higher"]

    @property
    def difference(self) -> Interval | None:
        """Paired by seed, with its own 95 % interval."""
        return self.comparison.difference

    @property
    def reading(self) -> Reading:
        """What is shown, corrected for the number of cells."""
        return self.comparison.reading

    @property
    def is_worse(self) -> bool:
        """A loss is shown, and not that it is within the margin."""
        return self.reading == self.worse

    @property
    def keeps(self) -> bool:
        """It is shown that no more than the margin is lost."""
        return self.reading in {"equivalent", "lower", "higher"} - {self.worse}


@once_per_study
def losses_info(findings: Findings) -> tuple[LossInfo, ...]:
    """All cells, the control first (its difference is left out, its epochs are counted).

    All of them are one family, those of control recipes included.
    """
    cells = findings.all_cells
    differences = [
        None if cell.recipe is None else paired_difference(findings, cell, findings.control) for cell in cells
    ]
    metric = findings.metric
    comparisons = compared(differences)
    return tuple(
        LossInfo(cell.recipe, cell.rate, findings.metric_of(cell), comparison, _epochs(findings, cell), metric.worse)
        for cell, comparison in zip(cells, comparisons, strict=True)
    )


@once_per_study
def loss_of(findings: Findings) -> dict[Key, LossInfo]:
    """The losses by recipe and rate."""
    return {(info.recipe, info.rate): info for info in losses_info(findings)}


def losses_of(findings: Findings, recipe: str) -> tuple[LossInfo, ...]:
    """The losses of one recipe that have a final value, rates ascending."""
    return tuple(info for info in losses_info(findings) if info.recipe == recipe and info.final is not None)


def _epochs(findings: Findings, cell: Cell) -> tuple[int | None, ...]:
    epochs = []
    for trial in cell.finished:
        control = findings.control_by_seed.get(trial.seed)
        unpruned = findings.final_metric.get(control.trial) if control else None
        if unpruned is not None and trial.trial in findings.series:
            epochs.append(epochs_to_reach(findings, trial.trial, findings.metric.almost(unpruned)))
    return tuple(epochs)


def epochs_to_reach(findings: Findings, trial: str, value: float) -> int | None:
    """The first epoch after which the trial's metric is as good as this value; None if there is none."""
    series, is_higher_better = findings.series[trial], findings.metric.better == "higher"
    reached = np.flatnonzero(series.metric >= value if is_higher_better else series.metric <= value)
    return int(series.epochs[reached[0]]) if reached.size else None


def power(findings: Findings) -> str:
    """What it takes to show equivalence with these seeds and so many cells."""
    metric = findings.metric
    known = [loss.difference for loss in losses_info(findings) if loss.difference and loss.difference.known]
    seeds = min(one.count for one in known)
    spread = largest_spread(metric.margin, seeds, len(known))
    typical = median(
        one.half_width * one.count**0.5 / t_quantile(one.count - 1) for one in known if one.half_width is not None
    )
    return (
        f"with {counted(seeds, 'seed')} and {counted(len(known), 'comparison')} at once that takes differences which "
        f"scatter by less than {metric.amount(spread)} from seed to seed, and here they scatter by "
        f"{two_digits(metric.scale * typical)} (median). More seeds or fewer recipes and rates tell more."
    )


def losses_table(findings: Findings) -> Table:
    """A row per recipe and rate."""
    metric = findings.metric
    return table_of(
        f"{metric.key}-lost",
        metric.filled("{Lost} against the unpruned network"),
        (loss for loss in losses_info(findings) if loss.recipe is not None),
        (
            *RECIPE_AND_RATE,
            (metric.with_unit(f"final {metric.name}"), metric.value_interval, "measured", lambda loss: loss.final),
            (
                metric.with_difference_unit("difference to unpruned"),
                metric.difference_interval,
                "measured",
                lambda loss: loss.difference,
            ),
            ("reading", TEXT, None, lambda loss: metric.reading(loss.reading)),
            ("p of no difference", P_VALUE, "computed", lambda loss: loss.comparison.p_difference),
            ("p of no equivalence", P_VALUE, "computed", lambda loss: loss.comparison.p_equivalence),
        ),
    )


def epochs_table(findings: Findings) -> Table:
    """Mean and each seed; "not reached" is a value."""
    return table_of(
        "epochs-to-99",
        f"Epochs to reach {findings.metric.nearly_unpruned} of the same seed",
        (loss for loss in losses_info(findings) if loss.epochs_to_reach),
        (
            *RECIPE_AND_RATE,
            ("mean epochs", Number(digits=1), "measured", lambda loss: _mean(loss)),
            ("each seed", TEXT, "measured", lambda loss: _each(loss)),
        ),
        empty="No trial has finished beside an unpruned one of its seed.",
    )


def _mean(loss: LossInfo) -> float | None:
    """None where a seed never got there: a mean of the others would flatter."""
    known = [epochs for epochs in loss.epochs_to_reach if epochs is not None]
    return sum(known) / len(known) if len(known) == len(loss.epochs_to_reach) else None


def _each(loss: LossInfo) -> str:
    return ", ".join("not reached" if epochs is None else str(epochs) for epochs in loss.epochs_to_reach)


TICKS = (-80, -40, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10)
"""Where differences of shares are marked, in points."""


def draw(losses: tuple[LossInfo, ...], metric: StudyMetric, palette: Palette) -> Drawing:
    """Marks with 95 % intervals, grouped by recipe; the scale is linear near 0 and logarithmic beyond."""
    rows = [loss for loss in losses if loss.difference is not None and loss.recipe is not None]
    recipes = list(dict.fromkeys(loss.recipe for loss in rows))
    height = 78 + 15 * len(rows) + 12 * len(recipes)
    figure, (axes,) = new_figure(760, height)
    figure.subplots_adjust(left=0.27, right=0.985, top=1 - 10 / height, bottom=62 / height)
    titles: dict[str, str] = {}
    axes.axvline(0, color=DRAWN["muted"], linewidth=1)
    y, middles = 0.0, []
    for name in recipes:
        own = [loss for loss in rows if loss.recipe == name]
        middles.append(y + 15 * (len(own) - 1) / 2)
        for loss in own:
            _mark(axes, loss, y, metric, palette, titles)
            y += 15
        y += 12
    axes.set_yticks(middles, [label(name, 34) for name in recipes], color=DRAWN["ink"])
    axes.set_ylim(y - 12 + 8, -14)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xscale("symlog", linthresh=_linear_within(metric), linscale=0.9)
    _limit(axes, rows, metric)
    unit = ", percentage points" if metric.is_share else f" in {metric.with_unit(metric.name)}"
    axes.set_xlabel(f"difference to unpruned{unit}")
    legend(figure, keys_of_rates(palette, (loss.rate for loss in rows)), 0.26, 0, 9, handletextpad=0.1)
    return Drawing(figure, titles)


def _linear_within(metric: StudyMetric) -> float:
    """How far from 0 the scale is linear: a point, or the margin."""
    return 1.0 if metric.is_share else metric.margin or 1.0


def _mark(axes: Axes, loss: LossInfo, y: float, metric: StudyMetric, palette: Palette, titles: dict[str, str]) -> None:
    group, difference = f"series-{len(titles)}", loss.difference
    assert difference is not None
    mark_interval(axes, difference, y, palette.rate(loss.rate), 6, group, scale=metric.scale)
    titles[group] = f"{label(loss.recipe, 60)}, rate {loss.rate:g}: {metric.difference(difference)}, {loss.reading}"


def _limit(axes: Axes, rows: list[LossInfo], metric: StudyMetric) -> None:
    parts = [v for loss in rows if (d := loss.difference) for v in (d.mean, d.low, d.high) if v is not None]
    values, least = [metric.scale * part for part in parts], 1.2 * _linear_within(metric)
    low, high = 1.15 * min([-least, *values]), 1.15 * max([least, *values])
    if metric.is_share:
        low, high = max(low, -100.0), min(high, 100.0)
    axes.set_xlim(low, high)
    ticks = TICKS if metric.is_share else symlog_ticks(_linear_within(metric), low, high)
    shown = [tick for tick in ticks if low <= tick <= high]
    set_ticks(axes, shown, [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in shown])


MOST_TICKS = 5
"""To one side of 0."""


def symlog_ticks(threshold: float, low: float, high: float) -> list[float]:
    """0 and round numbers to both sides, from the threshold on: 1, 2 and 5 times powers of 10, fewer in a long range.

    >>> symlog_ticks(0.05, -0.12, 0.3), symlog_ticks(0.5, -1, 30000)
    ([-0.1, -0.05, 0, 0.05, 0.1, 0.2], [-1.0, 0, 1.0, 10.0, 100.0, 1000.0, 10000.0])
    """
    farthest = max(-low, high, threshold)
    powers = range(math.floor(math.log10(threshold)), math.floor(math.log10(farthest)) + 1)
    sizes = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    sizes = [size for size in sizes if threshold * (1 - 1e-9) <= size <= farthest]
    if len(sizes) > MOST_TICKS:
        sizes = [size for size in sizes if f"{size:e}".startswith("1.")]
        step = -(-len(sizes) // MOST_TICKS)
        sizes = sizes[::step] if step == 1 else sizes[step::step]  # the first ones would touch the 0
    ticks = [-size for size in reversed(sizes)] + [0] + sizes
    return [tick for tick in ticks if low <= tick <= high]


class LossesPage(Page):
    """What pruning cost in the metric."""

    title: ClassVar[str] = "{Lost}"
    anchor: ClassVar[str] = "{key}-lost"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Differences paired by seed, then epochs until a training is nearly where the unpruned one ends."""
        metric = findings.metric
        size = f" ({metric.amount(metric.margin)})" if metric.metric.relative else ""
        direction = "" if metric.is_accuracy else f" Of {metric.name}, {metric.better} is better."
        step = ", and none is narrower than one test input to either side" if findings.resolution else ""
        known = sum(loss.difference is not None and loss.difference.known for loss in losses_info(findings))
        blocks: list[Block] = [
            Paragraph(
                f"Final test {metric.name} of each pruned network less that of the unpruned one of the same seed. An "
                "interval is the 95 % t interval of its row alone; of twenty such intervals one misses on "
                f"average{step}. What is read from the rows is therefore "
                f"corrected for their number ({counted(known, 'comparison')}) by Holm's method: in at most 5 % of "
                "studies like this one any reading of lower or higher is false, and in at most 5 % any of equivalent. "
                "A row may be read as not shown although its own interval leaves out 0."
            ),
            Paragraph(
                f"Readings: equivalent within {metric.within}{size} (two one-sided t tests against the study's "
                "`margin`, which is what counts as no loss), else lower or higher (a t test against 0), else not "
                f"shown: a difference may be there, the seeds do not tell.{direction}"
            ),
        ]
        if known:
            blocks.append(Paragraph(f"To be read as equivalent is hard with few seeds: {power(findings)}", "note"))
        if any(loss.reading == "one seed, no interval" for loss in losses_info(findings)):
            text = "With one seed there is no interval: a difference could be chance, and is not judged."
            blocks.append(Paragraph(text, "warning"))
        leaders, measures = leaderboard_blocks(findings), measures_blocks(findings)
        return (*blocks, *_differences(findings), *leaders, epochs_table(findings), *measures)


def _differences(findings: Findings) -> tuple[Block, ...]:
    """A chart and its table where there are differences, else the table that says so."""
    drawn = tuple(
        loss for loss in losses_info(findings) if loss.difference and is_drawn(findings, loss.recipe, loss.rate)
    )
    table, metric = losses_table(findings), findings.metric
    near = "one point of 0" if metric.is_share else "the margin around 0"
    if not drawn:
        return (Paragraph("No pruned trial has finished beside an unpruned one of its seed.", "note"), table)
    chart = Chart(
        name=f"{metric.key}-lost",
        title="Difference to unpruned, paired by seed",
        description=f"One mark per recipe and rate: final {metric.name} less that of the unpruned network"
        f"{' in percentage points' if metric.is_share else ''}, with its own 95 % interval. The table below has the "
        "numbers.",
        draw=partial(draw, drawn, metric),
        table=table,
        caption="Bars are intervals of one row each, not corrected for their number; the readings in the table are. "
        f"The scale is linear within {near} and logarithmic beyond.",
    )
    return (chart,)
