"""The pages of the report, in order. A package of a third party adds one by an entry point in `prunus.report_page`."""

from __future__ import annotations

from typing import ClassVar, get_args

from prunus.registry import Registry
from prunus.report.achieved import achieved_blocks, target_blocks
from prunus.report.bops import BopsPage
from prunus.report.classes import class_blocks
from prunus.report.content import Block, Group, Page, Paragraph
from prunus.report.controls import controls_blocks
from prunus.report.costs import parameters_table
from prunus.report.curves import TrainingPage
from prunus.report.failures import problems_table, trial_blocks
from prunus.report.findings import Findings
from prunus.report.front_page import FrontPage
from prunus.report.headline import ends_lower, progress
from prunus.report.latencies import latency_blocks
from prunus.report.layers import layer_blocks
from prunus.report.losses import LossesPage
from prunus.report.memories import memories_table
from prunus.report.provenance import ProvenancePage
from prunus.report.sizes import sizes_table
from prunus.report.speedups import speedup_blocks
from prunus.report.statements import STATEMENTS, judged
from prunus.report.statements.statement import Verdict, statements_table
from prunus.report.summary import by_rate_chart, summary_info, summary_table


class NetworksPage(Page):
    """Every recipe at every rate."""

    title: ClassVar[str] = "Every network"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """The final metric by rate, and a row per recipe and rate."""
        blocks = (
            Paragraph(progress(findings)),
            *((Paragraph(ends_lower(findings) or ""),) if ends_lower(findings) else ()),
        )
        if any(row.metric for row in summary_info(findings)):
            return (by_rate_chart(findings), *blocks)
        return (*blocks, summary_table(findings))


class MeasurementsPage(Page):
    """What the pruning really bought."""

    title: ClassVar[str] = "What it bought"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Time, bytes and memory as measured; parameters as computed."""
        return (
            Paragraph(
                "Each number has its ratio to the unpruned network; below 1 is less. Computed and measured never "
                "share a column: a theoretical speed-up is a count of operations, a latency is a time."
            ),
            Group("Latency", (*latency_blocks(findings), *speedup_blocks(findings))),
            Group("File size", (sizes_table(findings),)),
            Group("Peak memory", (memories_table(findings),)),
            Group("Parameters", (parameters_table(findings),)),
        )


class DiagnosesPage(Page):
    """Pruned output rows, empty layers, rates not achieved, failures."""

    title: ClassVar[str] = "Diagnoses"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Each kind of trouble under its heading, also where there was none."""
        classes = (Group("Classes that can no longer be predicted", class_blocks(findings)),)
        return (
            *(classes if findings.classifies else ()),
            Group("Layers that went empty", layer_blocks(findings)),
            Group("Rates asked for and achieved", (*achieved_blocks(findings), *target_blocks(findings))),
            Group("Trials without a result", trial_blocks(findings)),
            Group("Problems on the way", (problems_table(findings),)),
        )


class DiscussionPage(Page):
    """What beats its controls, and which of the statements hold here."""

    title: ClassVar[str] = "Discussion"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """One row per statement: evidence, verdict, and the rule that gave it."""
        judgements = tuple(judged(one, findings) for one in STATEMENTS if one.holds_for(findings.metric))
        counts = {name: sum(one.verdict == name for one in judgements) for name in get_args(Verdict)}
        return (
            *controls_blocks(findings),
            Paragraph(
                "Each row is a statement of the reference experiment, or an advantage or disadvantage that it "
                "names, beside the evidence in this study. Evidence and verdict are computed by the rule in the "
                "row, never written by hand: "
                + ", ".join(f"{count} {name}" for name, count in counts.items())
                + ". The evidence is given for each recipe apart, because the way of the reference experiment (masks "
                "let go, output layer pruned) and pruning with care are different things."
            ),
            statements_table(judgements),
        )


PAGES: Registry[type[Page]] = Registry("report page", Page)
PAGES.register("summary", FrontPage)
PAGES.register("networks", NetworksPage)
PAGES.register("training", TrainingPage)
PAGES.register("losses", LossesPage)
PAGES.register("bops", BopsPage)
PAGES.register("measurements", MeasurementsPage)
PAGES.register("discussion", DiscussionPage)
PAGES.register("diagnoses", DiagnosesPage)
PAGES.register("provenance", ProvenancePage)
