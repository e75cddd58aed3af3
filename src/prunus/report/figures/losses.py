"""Accuracy lost against the unpruned network: one mark per recipe and rate."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from prunus.report.analysis.losses import LossInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.words import points

TICKS = (-80, -40, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10)


def draw(losses: tuple[LossInfo, ...], palette: Palette) -> Drawing:
    """Marks with 95 % intervals, grouped by recipe; the scale is linear within one point and logarithmic beyond."""
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
            _mark(axes, loss, y, palette, titles)
            y += 15
        y += 12
    axes.set_yticks(middles, [label(name, 34) for name in recipes], color=DRAWN["ink"])
    axes.set_ylim(y - 12 + 8, -14)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xscale("symlog", linthresh=1, linscale=0.9)
    _limit(axes, rows)
    axes.set_xlabel("difference to unpruned, percentage points")
    rates = sorted({loss.rate for loss in rows})
    keys = [Line2D([], [], color=palette.rate(r), marker="o", linestyle="", label=f"rate {r:g}") for r in rates[:9]]
    figure.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(0.26, 0), ncols=9, columnspacing=1.4, handletextpad=0.1
    )
    return Drawing(figure, titles)


def _mark(axes: Axes, loss: LossInfo, y: float, palette: Palette, titles: dict[str, str]) -> None:
    difference, color = loss.difference, palette.rate(loss.rate)
    assert difference is not None
    group = f"series-{len(titles)}"
    if difference.low is not None and difference.high is not None:
        axes.plot([100 * difference.low, 100 * difference.high], [y, y], color=color, linewidth=1.4)
    axes.plot([100 * difference.mean], [y], "o", color=color, markersize=6, gid=group)
    titles[group] = f"{label(loss.recipe, 60)}, rate {loss.rate:g}: {points(difference)}, {loss.reading}"


def _limit(axes: Axes, rows: list[LossInfo]) -> None:
    values = [100 * v for loss in rows if (d := loss.difference) for v in (d.mean, d.low, d.high) if v is not None]
    low, high = min([-1.2, *values]), max([1.2, *values])
    low, high = float(np.clip(1.15 * low, -100, 0)), float(np.clip(1.15 * high, 0, 100))
    axes.set_xlim(low, high)
    shown = [tick for tick in TICKS if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(shown, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in shown])
