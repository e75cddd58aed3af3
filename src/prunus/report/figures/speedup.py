"""Theoretical speed-up, beside the speed-up that was measured."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from prunus.report.analysis.latencies import Setting
from prunus.report.analysis.speedups import SpeedupInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette

TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def draw(points: tuple[SpeedupInfo, ...], settings: tuple[Setting, ...], palette: Palette) -> Drawing:
    """On the diagonal a network is as much faster as its operations are fewer; on the horizontal it is not at all."""
    figure, panels = new_figure(760, 330, len(settings), wspace=0.07)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.875, bottom=0.335)
    titles: dict[str, str] = {}
    values = [value for point in points for value in (point.theoretical, point.measured)]
    limits = min([0.9, *values]) / 1.15, max([1.5, *values]) * 1.2
    for index, (axes, setting) in enumerate(zip(panels, settings, strict=True)):
        _frame(axes, limits, named=index == 0)
        threads = "" if setting.threads == 1 else f", {setting.threads} threads"
        axes.set_title(f"{label(setting.runtime, 20)}\nbatch {setting.batch_size}{threads}")
        for point in points:
            if point.setting == setting:
                _mark(axes, point, palette, titles)
    panels[0].set_ylabel("speed-up, measured")
    figure.text(0.068, 0.215, "theoretical speed-up (MACs, computed)", fontsize=10)
    _legend(figure, points, palette)
    return Drawing(figure, titles)


def _mark(axes: Axes, point: SpeedupInfo, palette: Palette, titles: dict[str, str]) -> None:
    group = f"series-{len(titles)}"
    axes.plot(
        [point.theoretical],
        [point.measured],
        palette.marker(point.recipe),
        color=palette.rate(point.rate),
        markersize=6.5,
        markeredgecolor=DRAWN["paper"],
        markeredgewidth=0.7,
        gid=group,
        zorder=3,
    )
    titles[group] = (
        f"{label(point.recipe, 60)}, rate {point.rate:g}: {point.theoretical:.2f} theoretical, "
        f"{point.measured:.2f} measured"
    )


def _frame(axes: Axes, limits: tuple[float, float], *, named: bool) -> None:
    axes.plot(limits, limits, color=DRAWN["muted"], linewidth=1, dashes=(4, 3))
    axes.axhline(1, color=DRAWN["muted"], linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
    words = [f"{tick:g}" for tick in shown]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(shown))
        axis.set_minor_locator(NullLocator())
    axes.set_xticks(shown, words)
    axes.set_yticks(shown, words if named else [""] * len(shown))
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)


def _legend(figure: Figure, points: tuple[SpeedupInfo, ...], palette: Palette) -> None:
    recipes = list(dict.fromkeys(point.recipe for point in points))[:8]
    rates = sorted({point.rate for point in points})[:9]
    shapes = [
        Line2D([], [], color=DRAWN["muted"], marker=palette.marker(r), linestyle="", label=label(r, 34))
        for r in recipes
    ]
    dots = [Line2D([], [], color=palette.rate(r), marker="o", linestyle="", label=f"rate {r:g}") for r in rates]
    spacing = {"columnspacing": 1.4, "handletextpad": 0.3, "handlelength": 1.2}
    figure.legend(handles=shapes, loc="lower left", bbox_to_anchor=(0.055, 0.062), ncols=3, **spacing)
    figure.legend(handles=dots, loc="lower left", bbox_to_anchor=(0.055, -0.015), ncols=9, **spacing)
