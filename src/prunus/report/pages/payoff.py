"""What pruning bought: parameters, bytes, memory, milliseconds."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.latencies import Setting
from prunus.report.content import Block, Chart, Column, Group, Paragraph, Table
from prunus.report.figures import latency, speedup
from prunus.report.findings import Findings
from prunus.report.forms import (
    COUNT,
    MILLISECONDS,
    NAME,
    PREFIXED,
    RATE,
    RATIO,
    RATIO_INTERVAL,
    SCIENTIFIC,
    TEXT,
    TIMES,
)
from prunus.report.names import visible
from prunus.report.pages.page import Page, drawn_recipes, is_drawn, recipe_name

MOST_SETTINGS = 4


class PayoffPage(Page):
    """What the pruning really bought."""

    title: ClassVar[str] = "What it bought"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Time, bytes and memory as measured; parameters as computed."""
        return (
            Paragraph(
                "Each number has its ratio to the unpruned network; below 1 is less. Computed and measured never "
                "share a column: a theoretical speed-up is a count of operations, a latency is a time."
            ),
            Group("Latency", _latency(findings)),
            Group("File size", (_sizes(findings),)),
            Group("Peak memory", (_memories(findings),)),
            Group("Parameters", (_parameters(findings),)),
        )


def _latency(findings: Findings) -> tuple[Block, ...]:
    table = _latency_table(findings)
    timed = tuple(
        info for info in findings.latencies.infos if info.ratio and is_drawn(findings, info.recipe, info.rate)
    )
    settings = tuple(sorted({info.setting for info in timed}))[:MOST_SETTINGS]
    shown = tuple(info for info in timed if info.setting in settings)
    if not shown:
        return (Paragraph("No pruned network was timed beside the unpruned one.", "note"), table)
    chart = Chart(
        name="latency",
        title="Measured latency, relative to unpruned",
        description="For each runtime and batch size, a mark per recipe and rate: median latency over that of the "
        "unpruned network timed in the same rounds, with its 95 % interval; left of 1 is faster. The table has "
        "the numbers.",
        draw=partial(latency.draw, shown, settings),
        table=table,
        caption="Variants were timed in interleaved rounds; intervals are a bootstrap over rounds (2,000 resamples).",
    )
    return (chart, *_speedup(findings))


def _speedup(findings: Findings) -> tuple[Block, ...]:
    setting = findings.latencies.leading
    points = _points(findings, setting)
    if setting is None or not points:
        return ()
    return (
        Chart(
            name="speed-up",
            title="Theoretical speed-up, and what arrives",
            description="A mark per recipe and rate: theoretical speed-up by effective MACs on the horizontal "
            "axis, measured speed-up on the vertical one, both logarithmic; the diagonal is where they agree. The "
            "table has the numbers.",
            draw=partial(speedup.draw, points, setting.label),
            table=Table(
                "speed-up",
                f"Theoretical and measured speed-up ({visible(setting.label)})",
                (
                    Column("recipe", NAME),
                    Column("rate", RATE, "asked"),
                    Column("theoretical speed-up", TIMES, "computed"),
                    Column("speed-up", TIMES, "measured"),
                ),
                tuple((point.recipe, point.rate, point.theoretical, point.measured) for point in points),
                folded=True,
            ),
            caption=f"Measured with {visible(setting.label)}.",
        ),
    )


def _points(findings: Findings, setting: Setting | None) -> list[speedup.Point]:
    points = []
    for name in drawn_recipes(findings):
        for cell in findings.grid.cells_of(name):
            if not is_drawn(findings, name, cell.rate):
                continue
            timed, cost = findings.latencies.of(name, cell.rate, setting), findings.cost.get((name, cell.rate))
            if timed and timed.ratio and timed.ratio.mean > 0 and cost and cost.theoretical_speedup:
                points.append(speedup.Point(name, cell.rate, cost.theoretical_speedup, 1 / timed.ratio.mean))
    return points


def _latency_table(findings: Findings) -> Table:
    rows = tuple(
        (
            info.setting.runtime,
            info.setting.batch_size,
            info.setting.threads,
            recipe_name(info.recipe),
            info.rate,
            info.p50_ms,
            info.p95_ms,
            info.rounds,
            info.ratio,
        )
        for info in findings.latencies.infos
    )
    return Table(
        "latency",
        "Latency of every timed network",
        (
            Column("runtime", TEXT),
            Column("batch", COUNT),
            Column("threads", COUNT),
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("p50, ms", MILLISECONDS, "measured"),
            Column("p95, ms", MILLISECONDS, "measured"),
            Column("rounds", COUNT),
            Column("median / unpruned", RATIO_INTERVAL, "measured"),
        ),
        rows,
        empty="No network was timed.",
        folded=True,
        most_rows=100,
    )


def _sizes(findings: Findings) -> Table:
    formats = tuple(dict.fromkeys(info.format for info in findings.sizes))[:MOST_SETTINGS]
    by_key = {(info.recipe, info.rate, info.format): info for info in findings.sizes}
    rows = []
    for recipe, rate in dict.fromkeys((info.recipe, info.rate) for info in findings.sizes):
        row: list[object] = [recipe_name(recipe), rate]
        for name in formats:
            info = by_key.get((recipe, rate, name))
            row += [info.size_bytes, info.ratio, info.deviation] if info else [None, None, None]
        rows.append(tuple(row))
    columns = [Column("recipe", NAME), Column("rate", RATE, "asked")]
    for name in formats:
        columns += [
            Column(f"{name}, bytes", COUNT, "measured"),
            Column(f"{name} / unpruned", RATIO, "measured"),
            Column(f"{name}, deviation when run again", SCIENTIFIC, "measured"),
        ]
    return Table(
        "file-size",
        "Bytes of the files that were written, and how far their outputs are from the network's when run again",
        tuple(columns),
        tuple(rows),
        empty="No network was written to a file.",
    )


def _memories(findings: Findings) -> Table:
    settings = tuple(dict.fromkeys((info.runtime, info.batch_size) for info in findings.memories))[:MOST_SETTINGS]
    by_key = {(info.recipe, info.rate, info.runtime, info.batch_size): info for info in findings.memories}
    rows = []
    for recipe, rate in dict.fromkeys((info.recipe, info.rate) for info in findings.memories):
        row: list[object] = [recipe_name(recipe), rate]
        for setting in settings:
            info = by_key.get((recipe, rate, *setting))
            row += [info.network_bytes, info.ratio] if info else [None, None]
        rows.append(tuple(row))
    columns = [Column("recipe", NAME), Column("rate", RATE, "asked")]
    for runtime, batch in settings:
        columns += [
            Column(f"{runtime}, batch {batch}, bytes", PREFIXED, "measured"),
            Column("/ unpruned", RATIO, "measured"),
        ]
    return Table(
        "peak-memory",
        "Peak memory of a fresh process that loads and runs the network, less that of the same process without it",
        tuple(columns),
        tuple(rows),
        empty="Peak memory was not measured.",
    )


def _parameters(findings: Findings) -> Table:
    rows = tuple(
        (
            recipe_name(cost.recipe),
            cost.rate,
            cost.parameters,
            cost.compression_all,
            cost.nonzero_parameters,
            cost.compression_nonzero,
            "yes" if cost.shrunk else "no",
            cost.shrink_deviation,
        )
        for cost in findings.costs
        if cost.parameters is not None
    )
    return Table(
        "parameters",
        "Parameters, and how many times fewer than unpruned",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("all", COUNT, "computed"),
            Column("compression, all", TIMES, "computed"),
            Column("non-zero", COUNT, "computed"),
            Column("theoretical compression, non-zero", TIMES, "computed"),
            Column("physically cut", TEXT),
            Column("largest deviation of the cut network", SCIENTIFIC, "measured"),
        ),
        rows,
        empty="No network's cost was computed.",
    )
