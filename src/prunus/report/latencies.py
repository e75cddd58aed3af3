"""Timed runs: median, 95th percentile, and the ratio to the unpruned network in the same rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from prunus.report.comparisons import LEVEL
from prunus.report.content import Block, Chart, Paragraph
from prunus.report.drawing import Drawing, is_drawn, keys_of_rates, label, legend, mark_interval, new_figure, set_ticks
from prunus.report.findings import Cell, Findings, once_per_study
from prunus.report.forms import COUNT, MILLISECONDS, NAME, RATE, RATIO_INTERVAL, TEXT
from prunus.report.names import visible
from prunus.report.palette import DRAWN, Palette
from prunus.report.statistics import Interval, holm, ratio_interval
from prunus.report.tables import Table, table_of
from prunus.report.words import counted, recipe_name, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, order=True)
class Setting:
    """What a run was timed with; variants of one setting ran side by side."""

    runtime: str
    batch_size: int
    threads: int

    @property
    def label(self) -> str:
        """In words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.runtime}, batch {self.batch_size}, {threads}"

    @property
    def heading(self) -> str:
        """The same over a panel of a figure, in two lines."""
        threads = "" if self.threads == 1 else f", {self.threads} threads"
        return f"{visible(self.runtime, 20)}\nbatch {self.batch_size}{threads}"


LatencyReading = Literal["faster", "slower", "not shown", "not compared"]


@dataclass(frozen=True)
class LatencyInfo:
    """One cell in one setting. `ratio` is its median over the unpruned network's, below 1 is faster.

    The ratio's interval is that of this one alone; the reading is corrected for the number of all ratios of the study.
    """

    recipe: str | None
    rate: float
    setting: Setting
    p50_ms: float
    p95_ms: float
    rounds: int
    ratio: Interval | None
    reading: LatencyReading = "not compared"


Rounds = dict[tuple[int, int], float]  # (seed, round) -> milliseconds


@once_per_study
def latencies_info(findings: Findings) -> tuple[LatencyInfo, ...]:
    """By setting and cell, the control first."""
    control = _rounds(findings, findings.control)
    found = []
    for cell in findings.all_cells:
        for setting, rounds in _rounds(findings, cell).items():
            samples = np.array([value for value in rounds.values() if np.isfinite(value)])
            if not samples.size:
                continue
            p50, p95 = (float(value) for value in np.percentile(samples, [50, 95]))
            paired = None if cell.recipe is None else _ratio(rounds, control.get(setting, {}))
            found.append(LatencyInfo(cell.recipe, cell.rate, setting, p50, p95, int(samples.size), paired))
    return tuple(sorted(_read(found), key=lambda info: info.setting))


def _read(infos: list[LatencyInfo]) -> Iterator[LatencyInfo]:
    """All ratios are one family, corrected by Holm's method: in at most 5 % of studies any reading is false."""
    p_values = iter(holm([info.ratio.p_of_ratio_one for info in infos if info.ratio and info.ratio.known]))
    for info in infos:
        if info.ratio is None or not info.ratio.known:
            yield info
        elif next(p_values) >= LEVEL:
            yield replace(info, reading="not shown")
        else:
            yield replace(info, reading="faster" if info.ratio.mean < 1 else "slower")


def comparisons_of(findings: Findings) -> int:
    """How many ratios the readings are corrected for."""
    return sum(info.reading != "not compared" for info in latencies_info(findings))


def _rounds(findings: Findings, cell: Cell) -> dict[Setting, Rounds]:
    found: dict[Setting, Rounds] = defaultdict(dict)
    for trial in cell.finished:
        for row in findings.latency_rows.get(trial.trial, ()):
            found[Setting(row.runtime, row.batch_size, row.threads)][trial.seed, row.round] = row.latency_ms
    return found


def _ratio(rounds: Rounds, control: Rounds) -> Interval | None:
    """Over the rounds that both have; where the seed's control was not timed, against the first one that was."""
    seeds = sorted({seed for seed, _ in control})
    pairs = []
    for (seed, number), value in rounds.items():
        partner = seed if seed in seeds else next(iter(seeds), None)
        if partner is not None and (partner, number) in control:
            pairs.append((value, control[partner, number]))
    return ratio_interval([own for own, _ in pairs], [other for _, other in pairs])


@once_per_study
def settings_info(findings: Findings) -> tuple[Setting, ...]:
    """All settings anything was timed in."""
    return tuple(sorted({info.setting for info in latencies_info(findings)}))


@once_per_study
def latency_of(findings: Findings) -> dict[tuple[str | None, float, Setting], LatencyInfo]:
    """The timed cells by recipe, rate and setting."""
    return {(info.recipe, info.rate, info.setting): info for info in latencies_info(findings)}


def latency_table(findings: Findings) -> Table:
    """A row per setting, recipe and rate."""
    return table_of(
        "latency",
        "Latency of every timed network",
        latencies_info(findings),
        (
            ("runtime", TEXT, None, lambda info: info.setting.runtime),
            ("batch", COUNT, None, lambda info: info.setting.batch_size),
            ("threads", COUNT, None, lambda info: info.setting.threads),
            ("recipe", NAME, None, lambda info: recipe_name(info.recipe)),
            ("rate", RATE, "asked", lambda info: info.rate),
            ("p50, ms", MILLISECONDS, "measured", lambda info: info.p50_ms),
            ("p95, ms", MILLISECONDS, "measured", lambda info: info.p95_ms),
            ("rounds", COUNT, None, lambda info: info.rounds),
            ("median / unpruned", RATIO_INTERVAL, "measured", lambda info: info.ratio),
            ("reading", TEXT, None, lambda info: info.reading if info.recipe is not None else ""),
        ),
        empty="No network was timed.",
        folded=True,
        most_rows=84,
    )


TICKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)


def draw(timed: tuple[LatencyInfo, ...], settings: tuple[Setting, ...], palette: Palette) -> Drawing:
    """Ratios of medians with their 95 % intervals, on a logarithmic axis; left of 1 is faster."""
    infos = [info for info in timed if info.ratio is not None]
    recipes = list(dict.fromkeys(info.recipe for info in infos))
    height = 92 + 46 * len(recipes)
    figure, panels = new_figure(760, height, len(settings), wspace=0.07)
    figure.subplots_adjust(left=0.27, right=0.99, top=1 - 34 / height, bottom=62 / height)
    titles: dict[str, str] = {}
    values = [v for info in infos if (r := info.ratio) for v in (r.mean, r.low, r.high) if v is not None and v > 0]
    limits = min([0.9, *values]) / 1.1, max([1.1, *values]) * 1.1
    for index, (axes, setting) in enumerate(zip(panels, settings, strict=True)):
        own = [info for info in infos if info.setting == setting]
        _panel(axes, own, recipes, palette, titles)
        _frame(axes, recipes, limits, named=index == 0)
        axes.set_title(setting.heading)
    figure.text(0.27, 28 / height, "measured latency / that of the unpruned network, same rounds", fontsize=10)
    legend(figure, keys_of_rates(palette, (info.rate for info in infos)), 0.26, 0, 9, handletextpad=0.1)
    return Drawing(figure, titles)


def _panel(
    axes: Axes, infos: list[LatencyInfo], recipes: list[str | None], palette: Palette, titles: dict[str, str]
) -> None:
    axes.axvline(1, color=DRAWN["muted"], linewidth=1)
    rates = sorted({info.rate for info in infos})
    for info in infos:
        if info.ratio is None:
            continue
        step = 34 / max(len(rates), 4)
        y = 46 * recipes.index(info.recipe) + step * (rates.index(info.rate) - (len(rates) - 1) / 2)
        group = f"series-{len(titles)}"
        mark_interval(axes, info.ratio, y, palette.rate(info.rate), 5, group)
        titles[group] = (
            f"{label(info.recipe, 60)}, rate {info.rate:g}: {times(info.ratio)} ({label(info.setting.label, 60)})"
        )


def _frame(axes: Axes, recipes: list[str | None], limits: tuple[float, float], *, named: bool) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    shown = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
    shown = shown if len(shown) <= 5 else [tick for tick in shown if tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)]
    set_ticks(axes, shown, [f"{tick:g}" for tick in shown])
    names = [label(name, 34) for name in recipes] if named else []
    axes.set_yticks([46 * index for index in range(len(recipes))] if named else [], names, color=DRAWN["ink"])
    axes.set_ylim(46 * (len(recipes) - 1) + 26, -26)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


MOST_SETTINGS = 4


def latency_blocks(findings: Findings) -> tuple[Block, ...]:
    """The table, and a chart where anything was timed beside the unpruned network."""
    table = latency_table(findings)
    settings = drawn_settings(findings)
    shown = tuple(info for info in _drawn(findings) if info.setting in settings)
    if not shown:
        return (Paragraph("No pruned network was timed beside the unpruned one.", "note"), table)
    chart = Chart(
        name="latency",
        title="Measured latency, relative to unpruned",
        description="For each runtime and batch size, a mark per recipe and rate: median latency over that of the "
        "unpruned network timed in the same rounds, with its 95 % interval; left of 1 is faster. The table has "
        "the numbers.",
        draw=partial(draw, shown, settings),
        table=table,
        caption="Variants were timed in interleaved rounds; intervals are a bootstrap over rounds (2,000 resamples).",
    )
    text = (
        "An interval is the 95 % interval of its row alone; of twenty such intervals one misses on average. What is "
        f"read from the rows is corrected for their number ({counted(comparisons_of(findings), 'comparison')}) by "
        "Holm's method: in at most 5 % of studies like this one any faster or slower is false."
    )
    return (Paragraph(text), chart)


def _drawn(findings: Findings) -> tuple[LatencyInfo, ...]:
    return tuple(one for one in latencies_info(findings) if one.ratio and is_drawn(findings, one.recipe, one.rate))


def drawn_settings(findings: Findings) -> tuple[Setting, ...]:
    """The settings that figures show."""
    return tuple(sorted({info.setting for info in _drawn(findings)}))[:MOST_SETTINGS]
