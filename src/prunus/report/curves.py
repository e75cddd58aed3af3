"""The metric per epoch: a curve per rate with its interval over seeds, accuracy beside the published ones."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from prunus.report.content import Block, Chart, Group, Page, Paragraph, Toggle
from prunus.report.drawing import (
    Drawing,
    drawn_rates,
    drawn_recipes,
    key,
    label_values,
    legend,
    new_figure,
    scale_of_values,
)
from prunus.report.findings import Cell, Findings, Series, once_per_study
from prunus.report.forms import COUNT, NAME, RATE, TEXT, Bounds
from prunus.report.metric import StudyMetric
from prunus.report.names import file_names
from prunus.report.palette import DRAWN, Palette
from prunus.report.recipes import RecipeTraits
from prunus.report.statistics import Floats, Interval, mean_intervals
from prunus.report.tables import Column, Table
from prunus.report.words import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class ReferenceCurve:
    """Test accuracy (a share) after each epoch, one seed, VGG11 on SVHN."""

    family: str
    rate: float
    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]


@cache
def reference_curves() -> tuple[ReferenceCurve, ...]:
    """All published curves, by kind and rate."""
    text = (files("prunus.report") / "reference_curves.csv").read_text(encoding="utf-8")
    found: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        point = int(row["epoch"]), int(row["test_correct"]) / int(row["test_total"])
        found.setdefault((row["pattern"], float(row["rate"])), []).append(point)
    return tuple(
        ReferenceCurve(family, rate, tuple(epoch for epoch, _ in points), tuple(share for _, share in points))
        for (family, rate), points in found.items()
    )


@dataclass(frozen=True)
class CurveInfo:
    """Mean of the metric over `seeds` trials after each epoch; bounds are NaN where there is one trial."""

    rate: float
    epochs: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: int
    finished: bool  # False: no trial of the cell has ended, and this is how far the running ones are
    final: Interval | None

    def at(self, epoch: int) -> Interval | None:
        """The curve at one epoch."""
        found = np.flatnonzero(self.epochs == epoch)
        if not found.size:
            return None
        mean, low, high = (float(values[found[0]]) for values in (self.mean, self.low, self.high))
        if np.isnan(low) or np.isnan(high):
            return Interval(mean, None, None, self.seeds)
        return Interval(mean, low, high, self.seeds)


@dataclass(frozen=True)
class RecipeCurvesInfo:
    """All curves of one recipe, the unpruned one first, and the published curves of the same kind."""

    recipe: RecipeTraits
    curves: tuple[CurveInfo, ...]
    reference: tuple[ReferenceCurve, ...]


@once_per_study
def curves_info(findings: Findings) -> tuple[RecipeCurvesInfo, ...]:
    """Curves of every recipe of which at least one trial has an epoch behind it."""
    control = _curve(findings, findings.control)
    found = []
    for recipe in findings.recipes:
        own = [curve for cell in findings.cells_of(recipe.name) if (curve := _curve(findings, cell))]
        if own or (control and not findings.cells):
            published = tuple(curve for curve in reference_curves() if curve.family == recipe.family)
            published = published if findings.metric.is_accuracy else ()
            found.append(RecipeCurvesInfo(recipe, tuple(([control] if control else []) + own), published))
    return tuple(found)


def _curve(findings: Findings, cell: Cell) -> CurveInfo | None:
    series = [findings.series[trial.trial] for trial in cell.finished if trial.trial in findings.series]
    finished = bool(series)
    if not finished:
        unfinished = [trial.trial for trial in cell.trials if trial.status != "failed"]
        series = [findings.series[trial] for trial in unfinished if trial in findings.series]
    if not series:
        return None
    epochs, table = _aligned(series)
    return CurveInfo(cell.rate, epochs, *mean_intervals(table), len(series), finished, findings.metric_of(cell))


def _aligned(series: list[Series]) -> tuple[Floats, Floats]:
    """All epochs that any of them has, and `[seeds, epochs]` with NaN for those it has not."""
    epochs = np.unique(np.concatenate([one.epochs for one in series]))
    table = np.full((len(series), epochs.size), np.nan)
    for row, one in zip(table, series, strict=True):
        row[np.searchsorted(epochs, one.epochs)] = one.metric
    return epochs, table


MILESTONES = (0, 1, 2, 5, 10, 20, 30, 50, 100, 150, 200, 300)


def curves_table(name: str, infos: Sequence[RecipeCurvesInfo], metric: StudyMetric) -> Table:
    """A row per recipe and rate, a column per chosen epoch."""
    curves = [(info.recipe.name, curve) for info in infos for curve in info.curves]
    epochs = sorted({float(epoch) for _, curve in curves for epoch in curve.epochs})
    chosen = [int(epoch) for epoch in epochs if epoch in MILESTONES or epoch == epochs[-1]][-12:]
    columns = [Column("recipe", NAME)] if len(infos) > 1 else []
    columns += [Column("rate", RATE, "asked"), Column("n", COUNT), Column("state", TEXT)]
    form = Bounds(metric.value_form)
    columns += [Column(metric.with_unit(f"epoch {epoch}"), form, "measured") for epoch in chosen]
    rows = []
    for recipe, curve in curves:
        named = [recipe] if len(infos) > 1 else []
        state = "finished" if curve.finished else "running"
        rows.append((*named, curve.rate, curve.seeds, state, *(curve.at(epoch) for epoch in chosen)))
    title = f"{infos[0].recipe.name}" if len(infos) == 1 else f"{len(infos)} recipes"
    caption = f"Test {metric.name} of {title} after chosen epochs"
    return Table(name, caption, tuple(columns), tuple(rows), folded=True)


MOST_IN_LEGEND = 9


def draw(info: RecipeCurvesInfo, metric: StudyMetric, palette: Palette) -> Drawing:
    """A line per rate, its 95 % interval over seeds as a band; published curves of the same kind dashed."""
    figure, (whole, end) = new_figure(760, 350, 2, width_ratios=(1.75, 1), wspace=0.17)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.92, bottom=0.225)
    titles: dict[str, str] = {}
    for index, curve in enumerate(info.curves):
        _line(whole, curve, metric, palette, f"series-{index}", titles)
        _band(whole, curve, metric, palette)
        _line(end, curve, metric, palette, f"series-end-{index}", titles, width=1.2)
    last = max(float(curve.epochs[-1]) for curve in info.curves)
    first = min(float(curve.epochs[0]) for curve in info.curves)
    whole.set_xlim(min(first, last - 1), last)
    for index, published in enumerate(info.reference):
        _published(whole, published, palette, f"reference-{index}", titles)
    scale_of_values(whole, metric, np.concatenate([curve.mean for curve in info.curves]))
    whole.set_title("all epochs")
    whole.set_ylabel(metric.with_unit(f"test {metric.name}"))
    _magnify(end, info.curves, last, metric, palette)
    for axes in (whole, end):
        axes.set_xlabel("epoch")
    _legend(figure, info, palette)
    return Drawing(figure, titles)


def _band(axes: Axes, curve: CurveInfo, metric: StudyMetric, palette: Palette) -> None:
    bounded = np.isfinite(curve.low) & np.isfinite(curve.high)
    if bounded.any():
        epochs, color = curve.epochs[bounded], palette.rate(curve.rate)
        least, most = metric.bounds(curve.mean)
        low, high = (np.clip(metric.scale * ends[bounded], least, most) for ends in (curve.low, curve.high))
        axes.fill(np.r_[epochs, epochs[::-1]], np.r_[low, high[::-1]], color=color, alpha=0.16, linewidth=0)


def _line(
    axes: Axes,
    curve: CurveInfo,
    metric: StudyMetric,
    palette: Palette,
    group: str,
    titles: dict[str, str],
    width: float = 1.8,
) -> None:
    color, style = palette.rate(curve.rate), "-" if curve.finished else ":"
    marker = "o" if curve.epochs.size == 1 else None
    (line,) = axes.plot(
        curve.epochs, metric.scale * curve.mean, style, color=color, linewidth=width, marker=marker, gid=group, zorder=3
    )
    line.set_solid_capstyle("round")
    titles[group] = f"rate {curve.rate:g}: {metric.value(curve.final or float(curve.mean[-1]))}, n = {curve.seeds}"


def _published(axes: Axes, curve: ReferenceCurve, palette: Palette, group: str, titles: dict[str, str]) -> None:
    color = palette.rate(curve.rate) if curve.rate in palette.rates else DRAWN["muted"]
    share = 100 * np.array(curve.accuracy)
    axes.plot(curve.epochs, share, color=color, linewidth=0.9, dashes=(3.5, 2.2), gid=group, zorder=2)
    titles[group] = f"published, rate {curve.rate:g}: {percent(curve.accuracy[-1])}"


def _magnify(axes: Axes, curves: tuple[CurveInfo, ...], last: float, metric: StudyMetric, palette: Palette) -> None:
    """The last half of the epochs at the scale of what happens there, and the final intervals beside it."""
    least, most = metric.bounds(np.concatenate([curve.mean for curve in curves]))
    scale = metric.scale
    begin = min(last - 1, last / 2)
    step = (last - begin) / 22
    for index, curve in enumerate(curves):
        final = curve.final
        if final is not None and final.low is not None and final.high is not None and curve.epochs[-1] == last:
            x, color = last + step * (index + 1.5), palette.rate(curve.rate)
            ends = [max(scale * final.low, least), min(scale * final.high, most)]
            axes.plot([x, x], ends, color=color, linewidth=1.4)
            axes.plot([x], [scale * final.mean], "o", color=color, markersize=4)
    values = np.concatenate([scale * curve.mean[curve.epochs >= begin] for curve in curves])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, scale)
    bounds = [bound for curve in curves if (f := curve.final) for bound in (f.low, f.high) if bound is not None]
    low, high = min([low, *(scale * bound for bound in bounds)]), max([high, *(scale * bound for bound in bounds)])
    low, high = max(low, least), min(high, most)
    margin = max(0.08 * (high - low), 0.2 if metric.is_share else 0.002 * abs(high) or 1e-9)
    axes.set_xlim(begin, last + step * (len(curves) + 1.5))
    axes.set_xticks([tick for tick in axes.get_xticks() if begin <= tick <= last])
    axes.set_ylim(low - margin, min(high + margin, most + 0.4))
    axes.set_title("last half and final intervals, magnified")
    label_values(axes, metric)


def _legend(figure: Figure, info: RecipeCurvesInfo, palette: Palette) -> None:
    curves = info.curves
    if len(curves) > MOST_IN_LEGEND:
        chosen = sorted(set(np.linspace(0, len(curves) - 1, MOST_IN_LEGEND).astype(int)))
        curves = tuple(curves[index] for index in chosen)
    keys = [key(_label(c), palette.rate(c.rate), linestyle="-" if c.finished else ":") for c in curves]
    if info.reference:
        keys.append(key("published (SVHN)", DRAWN["muted"], linestyle="-", linewidth=0.9, dashes=(3.5, 2.2)))
    spacing = {"columnspacing": 1.6, "handlelength": 1.7, "handletextpad": 0.5}
    drawn = legend(figure, keys, 0.055, 0, min(len(keys), 7), **spacing)
    if info.reference:
        drawn.get_lines()[-1].set_gid("reference-key")
        drawn.get_texts()[-1].set_gid("reference-words")


def _label(curve: CurveInfo) -> str:
    name = "unpruned" if curve.rate == 0 else f"rate {curve.rate:g}"
    return f"{name} (n={curve.seeds})" if curve.finished else f"{name} (running)"


class TrainingPage(Page):
    """How fast every recipe learns at every rate."""

    title: ClassVar[str] = "{Name} while training"
    anchor: ClassVar[str] = "{key}"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """A chart per recipe, each with its table of milestones."""
        if not curves_info(findings):
            return (Paragraph("No trial has an epoch behind it yet.", "note"),)
        metric = findings.metric
        blocks: list[Block] = [
            Paragraph(
                f"Test {metric.name} after each epoch, measured just after that epoch's pruning: the mean over seeds, "
                "with its 95 % t interval as a band; to the right of the magnified curves stand the intervals of "
                f"the final {metric.name}. Test data is drawn here; it never chose anything."
            )
        ]
        recipes = drawn_recipes(findings)
        drawn = [info for info in curves_info(findings) if info.recipe.name in recipes]
        left = [info for info in curves_info(findings) if info.recipe.name not in recipes]
        rates, names = drawn_rates(findings), file_names(info.recipe.name for info in drawn)
        blocks += [_group(info, metric, f"curves-{names[info.recipe.name]}", rates) for info in drawn]
        if left:
            blocks.append(Paragraph(f"{counted(len(left), 'recipe')} more are in a table only.", "note"))
            blocks.append(curves_table("more-curves", left, metric))
        return tuple(blocks)


def _group(info: RecipeCurvesInfo, metric: StudyMetric, name: str, rates: tuple[float, ...]) -> Group:
    recipe = info.recipe
    published = bool(info.reference)
    drawn = replace(info, curves=tuple(curve for curve in info.curves if curve.rate in rates) or info.curves)
    chart = Chart(
        name=name,
        title=f"Test {metric.name} per epoch: {recipe.name}",
        description=f"Test {metric.described} over epochs, a line per pruning rate ({_rates(drawn)}), with 95 % "
        "bands over seeds; beside it the last half of the epochs, magnified. The table below has the numbers.",
        draw=partial(draw, drawn, metric),
        table=curves_table(name, [info], metric),
        caption="Thin dashed lines are the reference experiment's published curves of the same kind: another "
        "network, other data, one seed. Compare shapes, not heights."
        if published
        else "",
        toggle=Toggle("published curves of the reference experiment", "reference") if published else None,
    )
    blocks: list[Block] = [Paragraph(recipe.about)] if recipe.about else []
    return Group(recipe.name, (*blocks, chart))


def _rates(info: RecipeCurvesInfo) -> str:
    return ", ".join(f"{curve.rate:g}" for curve in info.curves)
