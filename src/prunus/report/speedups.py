"""Theoretical speed-up beside the measured one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from prunus.report.content import Block, Chart
from prunus.report.costs import cost_of
from prunus.report.drawing import (
    Drawing,
    is_drawn,
    keys_of_rates,
    keys_of_recipes,
    label,
    legend,
    new_figure,
    set_ticks,
)
from prunus.report.findings import Findings, once_per_study
from prunus.report.forms import NAME, RATE, TEXT, TIMES
from prunus.report.latencies import Setting, drawn_settings, latencies_info
from prunus.report.palette import DRAWN, Palette
from prunus.report.tables import Table, table_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SpeedupInfo:
    """One recipe at one rate in one setting."""

    setting: Setting
    recipe: str
    rate: float
    theoretical: float  # unpruned dense MACs over effective MACs; computed
    measured: float  # unpruned median latency over this one's


@once_per_study
def speedups_info(findings: Findings) -> tuple[SpeedupInfo, ...]:
    """Every cell that has both, without the control, setting by setting."""
    found = []
    for timed in latencies_info(findings):
        cost = cost_of(findings).get((timed.recipe, timed.rate))
        if timed.recipe is not None and cost and cost.theoretical_speedup and timed.ratio:
            theory, measured = cost.theoretical_speedup, 1 / timed.ratio.mean
            found.append(SpeedupInfo(timed.setting, timed.recipe, timed.rate, theory, measured))
    return tuple(found)


def speedups_table(findings: Findings) -> Table:
    """A row per setting, recipe and rate that has both."""
    return table_of(
        "speed-up",
        "Theoretical and measured speed-up",
        speedups_info(findings),
        (
            ("setting", TEXT, None, lambda one: one.setting.label),
            ("recipe", NAME, None, lambda one: one.recipe),
            ("rate", RATE, "asked", lambda one: one.rate),
            ("theoretical speed-up", TIMES, "computed", lambda one: one.theoretical),
            ("speed-up", TIMES, "measured", lambda one: one.measured),
        ),
        folded=True,
        most_rows=84,
    )


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
        axes.set_title(setting.heading)
        for point in points:
            if point.setting == setting:
                _mark(axes, point, palette, titles)
    panels[0].set_ylabel("speed-up, measured")
    figure.text(0.068, 0.215, "theoretical speed-up (MACs, computed)", fontsize=10)
    legend(figure, keys_of_recipes(palette, (one.recipe for one in points)), 0.055, 0.062, 3, handlelength=1.2)
    legend(figure, keys_of_rates(palette, (one.rate for one in points)), 0.055, -0.015, 9, handlelength=1.2)
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
    set_ticks(axes, shown, words)
    axes.set_yticks(shown, words if named else [""] * len(shown))
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)


def speedup_blocks(findings: Findings) -> tuple[Block, ...]:
    """A chart of both where there are both, in the settings that figures show."""
    settings = drawn_settings(findings)
    points = tuple(
        one for one in speedups_info(findings) if one.setting in settings and is_drawn(findings, one.recipe, one.rate)
    )
    if not points:
        return ()
    return (
        Chart(
            name="speed-up",
            title="Theoretical speed-up, and what arrives",
            description="For each runtime and batch size, a mark per recipe and rate: theoretical speed-up by "
            "effective MACs on the horizontal axis, measured speed-up on the vertical one, both logarithmic; the "
            "diagonal is where they agree. The table has the numbers.",
            draw=partial(draw, points, settings),
            table=speedups_table(findings),
            caption="On the dashed diagonal a network is as much faster as its multiplications are fewer; on the "
            "horizontal line it is not faster at all.",
        ),
    )
