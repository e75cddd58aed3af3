"""Theoretical speed-up, beside the speed-up that was measured."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from prunus.report.analysis.speedups import SpeedupInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette

TICKS = (0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100)


def draw(points: tuple[SpeedupInfo, ...], setting: str, palette: Palette) -> Drawing:
    """On the diagonal a network is as much faster as its operations are fewer; on the horizontal it is not at all."""
    figure, (axes,) = new_figure(760, 380)
    figure.subplots_adjust(left=0.075, right=0.62, top=0.97, bottom=0.125)
    titles: dict[str, str] = {}
    values = [value for point in points for value in (point.theoretical, point.measured) if value > 0]
    low, high = min([0.9, *values]) / 1.1, max([1.5, *values]) * 1.12
    axes.plot([low, high], [low, high], color=DRAWN["muted"], linewidth=1, dashes=(4, 3))
    axes.axhline(1, color=DRAWN["muted"], linewidth=1)
    for point in points:
        group = f"series-{len(titles)}"
        axes.plot(
            [point.theoretical],
            [point.measured],
            palette.marker(point.recipe),
            color=palette.rate(point.rate),
            markersize=7.5,
            markeredgecolor=DRAWN["paper"],
            markeredgewidth=0.7,
            gid=group,
            zorder=3,
        )
        titles[group] = (
            f"{label(point.recipe, 60)}, rate {point.rate:g}: {point.theoretical:.2f} theoretical, "
            f"{point.measured:.2f} measured"
        )
    axes.set_xlabel("theoretical speed-up (MACs, computed)")
    axes.set_ylabel("speed-up, measured")
    shown = [tick for tick in TICKS if low <= tick <= high]
    for axis, set_ticks, set_limits in (
        (axes.xaxis, axes.set_xticks, axes.set_xlim),
        (axes.yaxis, axes.set_yticks, axes.set_ylim),
    ):
        axis.axes.set_xscale("log") if axis is axes.xaxis else axis.axes.set_yscale("log")
        axis.set_major_locator(FixedLocator(shown))
        axis.set_minor_locator(NullLocator())
        set_ticks(shown, [f"{tick:g}" for tick in shown])
        set_limits(low, high)
    _legend(figure, points, palette, setting)
    return Drawing(figure, titles)


def _legend(figure: Figure, points: tuple[SpeedupInfo, ...], palette: Palette, setting: str) -> None:
    recipes = list(dict.fromkeys(point.recipe for point in points))[:8]
    rates = sorted({point.rate for point in points})[:9]
    keys = [
        Line2D([], [], color=DRAWN["muted"], marker=palette.marker(r), linestyle="", label=label(r, 36))
        for r in recipes
    ]
    keys += [Line2D([], [], color=palette.rate(r), marker="o", linestyle="", label=f"rate {r:g}") for r in rates]
    keys.append(Line2D([], [], color=DRAWN["muted"], linewidth=1, dashes=(4, 3), label="as much as the theory says"))
    keys.append(Line2D([], [], color=DRAWN["muted"], linewidth=1, label="not at all"))
    figure.legend(
        handles=keys, loc="center left", bbox_to_anchor=(0.63, 0.53), title=label(setting, 60), alignment="left"
    )
