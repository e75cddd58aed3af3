"""A drawing: a matplotlib figure with the names of its groups, and how it becomes SVG and PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from prunus.report.figures.palette import DRAWN
from prunus.report.names import visible

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
    with mpl.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        yield


def svg(drawing: Drawing) -> bytes:
    """The figure as SVG: text stays text, and equal figures give equal bytes."""
    content = io.BytesIO()
    canvas: Any = FigureCanvasSVG(drawing.figure)
    canvas.print_svg(content, metadata={"Date": None, "Creator": None})
    return content.getvalue()


def png(drawing: Drawing) -> bytes:
    """The figure as PNG, 144 dots per inch."""
    content = io.BytesIO()
    drawing.figure.set_dpi(144)
    canvas: Any = FigureCanvasAgg(drawing.figure)
    canvas.print_png(content, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return content.getvalue()


def new_figure(width: float, height: float, columns: int = 1, **gridspec: Any) -> tuple[Figure, list[Axes]]:
    """A figure of that many points with axes side by side; margins are fixed, measuring text would cost most."""
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.subplots(1, columns, squeeze=False, gridspec_kw=gridspec)
    return figure, list(axes[0])


def label(text: object, limit: int = 40) -> str:
    """A name as it may be drawn."""
    return visible(text, limit)
