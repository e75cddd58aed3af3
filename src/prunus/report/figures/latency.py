"""Measured latency against the unpruned network: one panel per setting."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from prunus.report.analysis.latencies import LatencyInfo, Setting
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.words import times

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
        threads = "" if setting.threads == 1 else f", {setting.threads} threads"
        axes.set_title(f"{label(setting.runtime, 20)}\nbatch {setting.batch_size}{threads}")
    figure.text(0.27, 28 / height, "measured latency / that of the unpruned network, same rounds", fontsize=10)
    rates = sorted({info.rate for info in infos})[:9]
    keys = [Line2D([], [], color=palette.rate(r), marker="o", linestyle="", label=f"rate {r:g}") for r in rates]
    figure.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(0.26, 0), ncols=9, columnspacing=1.4, handletextpad=0.1
    )
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
        color, group = palette.rate(info.rate), f"series-{len(titles)}"
        if info.ratio.low is not None and info.ratio.high is not None:
            axes.plot([info.ratio.low, info.ratio.high], [y, y], color=color, linewidth=1.4)
        axes.plot([info.ratio.mean], [y], "o", color=color, markersize=5, gid=group)
        titles[group] = (
            f"{label(info.recipe, 60)}, rate {info.rate:g}: {times(info.ratio)} ({label(info.setting.label, 60)})"
        )


def _frame(axes: Axes, recipes: list[str | None], limits: tuple[float, float], *, named: bool) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    shown = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
    shown = shown if len(shown) <= 5 else [tick for tick in shown if tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    names = [label(name, 34) for name in recipes] if named else []
    axes.set_yticks([46 * index for index in range(len(recipes))] if named else [], names, color=DRAWN["ink"])
    axes.set_ylim(46 * (len(recipes) - 1) + 26, -26)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
