"""A drawing: a matplotlib figure with the names of its groups, what it shows of a study, and how it becomes a file.

matplotlib is imported by what draws alone: the terminal shows a study's tables without it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from prunus.report.findings import Findings
from prunus.report.forms import short
from prunus.report.metric import StudyMetric
from prunus.report.names import visible
from prunus.report.palette import DRAWN, Palette
from prunus.report.statistics import Floats, Interval
from prunus.system.process_wide import in_turn
from prunus.system.quiet import quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a name with dollar signs is a name
    "text.usetex": False,
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "prunus",
    "axes.edgecolor": DRAWN["muted"],
    "axes.labelcolor": DRAWN["ink"],
    "axes.titlecolor": DRAWN["ink"],
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # fixed: to look for a free place costs a fifth of a drawing
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": DRAWN["grid"],
    "grid.linewidth": 0.8,
    "text.color": DRAWN["ink"],
    "xtick.color": DRAWN["muted"],
    "ytick.color": DRAWN["muted"],
    "xtick.labelcolor": DRAWN["muted"],
    "ytick.labelcolor": DRAWN["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
    "path.simplify": True,
    "figure.facecolor": DRAWN["paper"],
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Drawing:
    """A figure, and for groups with an id (`set_gid`) the text that names them."""

    figure: Figure
    titles: dict[str, str] = field(default_factory=dict)


@contextmanager
def styled() -> Iterator[None]:
    """The project's look; a glyph that the PNG's font lacks is a box there, not a warning."""
    import matplotlib as mpl

    with in_turn(), quiet(), mpl.rc_context(cast(Any, STYLE)):
        yield


def svg(drawing: Drawing) -> bytes:
    """The figure as SVG: text stays text, and equal figures give equal bytes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.BytesIO()
    canvas: Any = FigureCanvasSVG(drawing.figure)
    canvas.print_svg(content, metadata={"Date": None, "Creator": None})
    return content.getvalue()


def png(drawing: Drawing) -> bytes:
    """The figure as PNG, 144 dots per inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    content = io.BytesIO()
    drawing.figure.set_dpi(144)
    canvas: Any = FigureCanvasAgg(drawing.figure)
    canvas.print_png(content, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return content.getvalue()


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1, *, shared: bool = False, **gridspec: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of that many points with axes row by row; margins are fixed, measuring text would cost most."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared, gridspec_kw=gridspec)
    return figure, list(axes.flat)


def label(text: object, limit: int = 40) -> str:
    """A name as it may be drawn."""
    return visible(text, limit)


def key(text: str, color: str, *, marker: str | None = None, linestyle: Any = "", **look: Any) -> Line2D:
    """An entry of a legend: marks in a colour, or a line of a style."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, marker=marker, linestyle=linestyle, label=text, **look)


def keys_of_rates(palette: Palette, rates: Iterable[float]) -> list[Line2D]:
    """An entry for each of the first nine rates."""
    return [
        key(f"rate {rate:g}" if rate else "unpruned", palette.rate(rate), marker="o") for rate in sorted(set(rates))[:9]
    ]


def keys_of_recipes(palette: Palette, recipes: Iterable[str | None]) -> list[Line2D]:
    """An entry for each of the first eight recipes, the unpruned network left out."""
    names = [name for name in dict.fromkeys(recipes) if name is not None][:8]
    return [key(label(name, 34), DRAWN["muted"], marker=palette.marker(name)) for name in names]


def legend(figure: Figure, keys: Sequence[Line2D], x: float, y: float, columns: int, **spacing: float) -> Legend:
    """A legend below the axes, its lower left corner at a place of the figure."""
    look = {"columnspacing": 1.4, "handletextpad": 0.3, **spacing}
    return figure.legend(handles=keys, loc="lower left", bbox_to_anchor=(x, y), ncols=columns, **look)


def set_ticks(axes: Axes, ticks: Sequence[float], labels: Sequence[str]) -> None:
    """These ticks on the horizontal axis, and none between them on either."""
    axes.minorticks_off()
    axes.set_xticks(ticks, labels)


WIDE, NARROW = 760, 360
"""Widths of figures in points: of a page, and of a telephone's."""

FAR, VERY_FAR = 30, 1e4
"""Positive values whose largest is so many times the smallest have a logarithmic axis, or one of fewer ticks."""


def scale_of_values(axes: Axes, metric: StudyMetric, values: Iterable[float], *, from_zero: bool = True) -> None:
    """The vertical axis of a metric: 0 to 100 % of shares, else as far as values go, and logarithmic if that is far.

    from_zero: a linear axis begins at 0, unless values lie below.
    """
    from matplotlib.ticker import LogLocator

    finite = [float(value) for value in values if np.isfinite(value)]
    if metric.best_is_100(finite):
        axes.set_ylim(0, 102)
    elif finite:
        low, high = metric.scale * min(finite), metric.scale * max(finite)
        if low > 0 and high > FAR * low:
            axes.set_yscale("log")
            axes.set_ylim(low / 1.2, high * 1.2)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high < VERY_FAR * low else LogLocator())
            axes.yaxis.minorticks_off()
        else:
            bottom, top = (min(low, 0.0), max(high, 0.0)) if from_zero else (low, high)
            margin = 0.06 * (top - bottom) or 0.06 * abs(high) or 1.0
            axes.set_ylim(bottom if from_zero and low >= 0 else bottom - margin, top + margin)
    label_values(axes, metric)


def error_scale(axes: Axes, values: list[float]) -> None:
    """Logarithmic in the error, so that both a collapse and the last percent can be seen."""

    def to_axis(value: Floats) -> Floats:
        result: Floats = -np.log10(np.maximum(100 - value, -0.6) + 0.7)
        return result

    def from_axis(position: Floats) -> Floats:
        result: Floats = 100.7 - 10.0 ** (-position)
        return result

    axes.set_yscale("function", functions=(to_axis, from_axis))
    low, high = min(values), max(values)
    margin = 0.07 * float(np.ptp(to_axis(np.array([low, high])))) + 0.02
    limits = from_axis(to_axis(np.array([low, high])) + np.array([-margin, margin]))
    axes.set_ylim(max(float(limits[0]), -5), min(float(limits[1]), 100.4))
    bottom, top = axes.get_ylim()
    ticks = [tick for tick in (0, 20, 40, 60, 70, 80, 90, 95, 97, 98, 99, 100) if bottom <= tick <= top]
    axes.yaxis.minorticks_off()
    axes.set_yticks(ticks, [str(tick) for tick in ticks])


def label_values(axes: Axes, metric: StudyMetric) -> None:
    """Have the vertical axis of a metric that is no share labelled in short numbers, with nothing above the axis."""
    if not metric.is_share:
        axes.yaxis.set_major_formatter(lambda value, _: short(value))


def mark_interval(
    axes: Axes, value: Interval, y: float, color: str, markersize: float, group: str, scale: float = 1
) -> None:
    """A mean as a mark at a height, with its interval as a horizontal line."""
    if value.low is not None and value.high is not None:
        axes.plot([scale * value.low, scale * value.high], [y, y], color=color, linewidth=1.4)
    axes.plot([scale * value.mean], [y], "o", color=color, markersize=markersize, gid=group)


MOST_RECIPES = 6
"""Figures show at most this many recipes; tables and files have them all."""

MOST_RATES = 8
"""Figures show at most this many rates above 0."""


def drawn_recipes(findings: Findings) -> tuple[str, ...]:
    """The recipes that figures show. Controls are in the tables alone."""
    return tuple(recipe.name for recipe in findings.judged[:MOST_RECIPES])


def drawn_rates(findings: Findings) -> tuple[float, ...]:
    """The rates that figures show: 0, and at most `MOST_RATES` others, the highest among them."""
    pruned = [rate for rate in findings.rates if rate > 0]
    if len(pruned) > MOST_RATES:
        step = (len(pruned) - 1) / (MOST_RATES - 1)
        pruned = [pruned[round(index * step)] for index in range(MOST_RATES)]
    return (0.0, *pruned)


def is_drawn(findings: Findings, recipe: str | None, rate: float) -> bool:
    """Whether figures show this recipe at this rate."""
    return rate in drawn_rates(findings) and (recipe is None or recipe in drawn_recipes(findings))
