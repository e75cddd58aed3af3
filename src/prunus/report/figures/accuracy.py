"""Test accuracy per epoch of one recipe: all epochs, and the last half magnified."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from prunus.report.analysis.curves import CurveInfo, RecipeCurvesInfo
from prunus.report.figures.drawing import Drawing, new_figure
from prunus.report.figures.palette import DRAWN, Palette
from prunus.report.reference import ReferenceCurve
from prunus.report.words import accuracy

MOST_IN_LEGEND = 9


def draw(info: RecipeCurvesInfo, palette: Palette) -> Drawing:
    """A line per rate, its 95 % interval over seeds as a band; published curves of the same kind dashed."""
    figure, (whole, end) = new_figure(760, 350, 2, width_ratios=(1.75, 1), wspace=0.17)
    figure.subplots_adjust(left=0.068, right=0.99, top=0.92, bottom=0.225)
    titles: dict[str, str] = {}
    for index, curve in enumerate(info.curves):
        _curve(whole, curve, palette, f"series-{index}", titles)
        _band(whole, curve, palette)
        _curve(end, curve, palette, f"series-end-{index}", titles, width=1.2)
    last = max(float(curve.epochs[-1]) for curve in info.curves)
    first = min(float(curve.epochs[0]) for curve in info.curves)
    whole.set_xlim(min(first, last - 1), last)
    for index, published in enumerate(info.reference):
        _published(whole, published, palette, f"reference-{index}", titles)
    whole.set_ylim(0, 102)
    whole.set_title("all epochs")
    whole.set_ylabel("test accuracy, %")
    _magnify(end, info.curves, last, palette)
    for axes in (whole, end):
        axes.set_xlabel("epoch")
    _legend(figure, info, palette)
    return Drawing(figure, titles)


def _band(axes: Axes, curve: CurveInfo, palette: Palette) -> None:
    bounded = np.isfinite(curve.low) & np.isfinite(curve.high)
    if bounded.any():
        epochs, color = curve.epochs[bounded], palette.rate(curve.rate)
        low, high = np.clip(100 * curve.low[bounded], 0, 100), np.clip(100 * curve.high[bounded], 0, 100)
        axes.fill(np.r_[epochs, epochs[::-1]], np.r_[low, high[::-1]], color=color, alpha=0.16, linewidth=0)


def _curve(
    axes: Axes, curve: CurveInfo, palette: Palette, group: str, titles: dict[str, str], width: float = 1.8
) -> None:
    color, style = palette.rate(curve.rate), "-" if curve.finished else ":"
    marker = "o" if curve.epochs.size == 1 else None
    (line,) = axes.plot(
        curve.epochs, 100 * curve.mean, style, color=color, linewidth=width, marker=marker, gid=group, zorder=3
    )
    line.set_solid_capstyle("round")
    titles[group] = f"rate {curve.rate:g}: {accuracy(curve.final or float(curve.mean[-1]))}, n = {curve.seeds}"


def _published(axes: Axes, curve: ReferenceCurve, palette: Palette, group: str, titles: dict[str, str]) -> None:
    color = palette.rate(curve.rate) if curve.rate in palette.rates else DRAWN["muted"]
    share = 100 * np.array(curve.accuracy)
    axes.plot(curve.epochs, share, color=color, linewidth=0.9, dashes=(3.5, 2.2), gid=group, zorder=2)
    titles[group] = f"published, rate {curve.rate:g}: {accuracy(curve.accuracy[-1])}"


def _magnify(axes: Axes, curves: tuple[CurveInfo, ...], last: float, palette: Palette) -> None:
    """The last half of the epochs at the scale of what happens there, and the final intervals beside it."""
    begin = min(last - 1, last / 2)
    step = (last - begin) / 22
    for index, curve in enumerate(curves):
        final = curve.final
        if final is not None and final.low is not None and final.high is not None and curve.epochs[-1] == last:
            x, color = last + step * (index + 1.5), palette.rate(curve.rate)
            ends = [max(100 * final.low, 0), min(100 * final.high, 100)]
            axes.plot([x, x], ends, color=color, linewidth=1.4)
            axes.plot([x], [100 * final.mean], "o", color=color, markersize=4)
    values = np.concatenate([100 * curve.mean[curve.epochs >= begin] for curve in curves])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 100.0)
    bounds = [bound for curve in curves if (f := curve.final) for bound in (f.low, f.high) if bound is not None]
    low, high = min([low, *(100 * bound for bound in bounds)]), max([high, *(100 * bound for bound in bounds)])
    low, high = max(low, 0.0), min(high, max(100.0, float(values.max(initial=0))))
    margin = max(0.08 * (high - low), 0.2)
    axes.set_xlim(begin, last + step * (len(curves) + 1.5))
    axes.set_xticks([tick for tick in axes.get_xticks() if begin <= tick <= last])
    axes.set_ylim(low - margin, min(high + margin, 100.4) if high <= 100 else high + margin)
    axes.set_title("last half and final intervals, magnified")


def _legend(figure: Figure, info: RecipeCurvesInfo, palette: Palette) -> None:
    curves = info.curves
    if len(curves) > MOST_IN_LEGEND:
        chosen = sorted(set(np.linspace(0, len(curves) - 1, MOST_IN_LEGEND).astype(int)))
        curves = tuple(curves[index] for index in chosen)
    handles = [Line2D([], [], color=palette.rate(c.rate), linestyle="-" if c.finished else ":") for c in curves]
    labels = [_label(curve) for curve in curves]
    if info.reference:
        handles.append(Line2D([], [], color=DRAWN["muted"], linewidth=0.9, dashes=(3.5, 2.2)))
        labels.append("published (SVHN)")
    legend = figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.055, 0),
        ncols=min(len(handles), 7),
        columnspacing=1.6,
        handlelength=1.7,
        handletextpad=0.5,
    )
    if info.reference:
        legend.get_lines()[-1].set_gid("reference-key")
        legend.get_texts()[-1].set_gid("reference-words")


def _label(curve: CurveInfo) -> str:
    name = "unpruned" if curve.rate == 0 else f"rate {curve.rate:g}"
    return f"{name} (n={curve.seeds})" if curve.finished else f"{name} (running)"
