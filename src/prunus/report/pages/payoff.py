"""What pruning bought: parameters, bytes, memory, milliseconds."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.latencies import Setting
from prunus.report.content import Block, Chart, Group, Paragraph
from prunus.report.figures import latency, speedup
from prunus.report.findings import Findings
from prunus.report.pages.page import Page, is_drawn
from prunus.report.tables.latency import latency_table
from prunus.report.tables.memories import memories_table
from prunus.report.tables.parameters import parameters_table
from prunus.report.tables.sizes import sizes_table
from prunus.report.tables.speedups import speedups_table

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
            Group("File size", (sizes_table(findings),)),
            Group("Peak memory", (memories_table(findings),)),
            Group("Parameters", (parameters_table(findings),)),
        )


def _latency(findings: Findings) -> tuple[Block, ...]:
    table = latency_table(findings)
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
    return (chart, *_speedup(findings, settings))


def _speedup(findings: Findings, settings: tuple[Setting, ...]) -> tuple[Block, ...]:
    points = tuple(
        one for one in findings.speedups if one.setting in settings and is_drawn(findings, one.recipe, one.rate)
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
            draw=partial(speedup.draw, points, settings),
            table=speedups_table(findings),
            caption="On the dashed diagonal a network is as much faster as its multiplications are fewer; on the "
            "horizontal line it is not faster at all.",
        ),
    )
