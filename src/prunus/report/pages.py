"""The pages of the report, in order. A package of a third party adds one by an entry point in `prunus.report_page`."""

from __future__ import annotations

from typing import ClassVar, get_args

from prunus.registry import Registry
from prunus.report.achieved import achieved_blocks, target_blocks
from prunus.report.bops import BopsPage
from prunus.report.classes import class_blocks
from prunus.report.content import Block, Bullets, Group, Page, Paragraph
from prunus.report.controls import controls_blocks
from prunus.report.costs import parameters_table
from prunus.report.curves import TrainingPage
from prunus.report.failures import failures_info, problems_table, trial_blocks
from prunus.report.findings import Findings
from prunus.report.headline import headline
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
from prunus.report.words import counted

MANY_SEEDS = 20
"""From so many on, a collapse in one run of ten is seldom missed (12 %)."""


class SummaryPage(Page):
    """The study in a few sentences, one picture and one table."""

    title: ClassVar[str] = "What was found"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Sentences, the final metric by rate, and a row per recipe and rate."""
        blocks: list[Block] = [Bullets(headline(findings))]
        failures = failures_info(findings)
        if lost := failures.lost:
            blocks += [
                Paragraph("Something of this study is missing, and what follows is made of the rest:", "warning")
            ]
            blocks.append(Bullets(tuple(one.sentence for one in lost)))
        if failures.unfinished:
            left = counted(len(failures.unfinished), "trial")
            blocks.append(
                Paragraph(
                    f"This study is not complete: {left} of {failures.planned} "
                    "have no result yet (listed under Diagnoses). Everything below is made of those that have.",
                    "warning",
                )
            )
        if note := few_seeds(findings):
            blocks.append(Paragraph(note, "note"))
        if any(row.metric for row in summary_info(findings)):
            return (*blocks, by_rate_chart(findings))
        missing = f"so there is no {findings.metric.name} to show."
        finished = any(trial.status == "finished" for trial in findings.rows.trials)
        none = Paragraph(f"No trial has {'ended with a number' if finished else 'finished yet'}, {missing}", "note")
        return (*blocks, none, summary_table(findings))


def few_seeds(findings: Findings) -> str:
    """What an interval of few seeds takes for granted; empty where there are many."""
    counts = [row.metric.count for row in summary_info(findings) if row.metric]
    seeds = max(counts, default=0)
    if not 1 < seeds < MANY_SEEDS:
        return ""
    return (
        f"An interval of {seeds} seeds takes for granted that runs scatter alike and none collapses: of a recipe that "
        f"collapses in one run of ten, {seeds} seeds see no collapse in {100 * 0.9**seeds:.0f} % of studies."
    )


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
PAGES.register("summary", SummaryPage)
PAGES.register("training", TrainingPage)
PAGES.register("losses", LossesPage)
PAGES.register("bops", BopsPage)
PAGES.register("measurements", MeasurementsPage)
PAGES.register("discussion", DiscussionPage)
PAGES.register("diagnoses", DiagnosesPage)
PAGES.register("provenance", ProvenancePage)
