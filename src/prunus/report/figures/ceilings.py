"""Accuracy of trials with empty output rows, beside the ceiling that these rows leave."""

from __future__ import annotations

from matplotlib.lines import Line2D

from prunus.report.analysis.classes import CutOffInfo
from prunus.report.figures.drawing import Drawing, label, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.words import accuracy


def draw(cut: tuple[CutOffInfo, ...], palette: Palette) -> Drawing:
    """One bar per trial up to its ceiling, and its accuracy as a mark in it."""
    figure, (axes,) = new_figure(760, 270)
    figure.subplots_adjust(left=0.068, right=0.985, top=0.96, bottom=0.27)
    titles: dict[str, str] = {}
    groups: dict[tuple[str | None, float], list[float]] = {}
    x, previous = 0.0, None
    for info in cut:
        key = (info.recipe, info.rate)
        x += 1.0 if key == previous else 1.8
        previous = key
        groups.setdefault(key, []).append(x)
        group = f"series-{len(titles)}"
        if info.ceiling is not None:
            axes.bar(x, 100 * info.ceiling, width=0.86, color=DRAWN["grid"], zorder=1)
            axes.plot([x - 0.43, x + 0.43], [100 * info.ceiling] * 2, color=DRAWN["muted"], linewidth=1.4)
        if info.accuracy is not None:
            axes.plot([x], [100 * info.accuracy], palette.marker(info.recipe), color=palette.rate(info.rate),
                      markersize=6.5, gid=group, zorder=3)  # fmt: skip
        titles[group] = (
            f"{label(info.recipe, 60)}, rate {info.rate:g}, seed {info.seed}: {accuracy(info.accuracy)}, "
            f"ceiling {accuracy(info.ceiling)}"
        )
    names = [f"{rate:g}\n{label(recipe or 'unpruned', 24)}" for recipe, rate in groups]
    axes.set_xticks([sum(xs) / len(xs) for xs in groups.values()], names)
    axes.set_ylim(0, 102)
    axes.set_xlim(0.8, x + 1)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("test accuracy, %")
    keys = [
        Line2D([], [], color=DRAWN["muted"], linewidth=1.4, label="ceiling by class sizes"),
        Line2D([], [], color=DRAWN["ink"], marker="o", linestyle="", label="what one seed reached"),
    ]
    figure.legend(handles=keys, loc="lower left", bbox_to_anchor=(0.055, 0), ncols=2)
    return Drawing(figure, titles)
