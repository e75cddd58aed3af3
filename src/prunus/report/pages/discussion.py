"""What the controls say, and the reference experiment's statements, judged by this study's rows."""

from __future__ import annotations

from typing import ClassVar

from prunus.report.content import Block, Group, Paragraph
from prunus.report.findings import Findings
from prunus.report.names import visible
from prunus.report.pages.page import Page
from prunus.report.statements import STATEMENTS, judged
from prunus.report.tables.controls import controls_table
from prunus.report.tables.statements import statements_table
from prunus.report.words import joined


class DiscussionPage(Page):
    """What beats its controls, and which of the statements hold here."""

    title: ClassVar[str] = "Discussion"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """One row per statement: evidence, verdict, and the rule that gave it."""
        judgements = tuple(judged(statement, findings) for statement in STATEMENTS)
        counts = {name: sum(one.verdict == name for one in judgements) for name in VERDICTS}
        return (
            *_controls(findings),
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


def _controls(findings: Findings) -> tuple[Block, ...]:
    """Each recipe against chance and against a smaller dense network."""
    if not findings.controls:
        return (
            Paragraph("No recipe has finished beside a control, so nothing tells a criterion from chance.", "note"),
        )
    text = (
        "A random control prunes as its recipe does, but draws what goes: a recipe that is not better has a criterion "
        "without use here. A dense control is a smaller network of the same cost, cut before the training: a recipe "
        "that is not better could be replaced by training a smaller network. Differences are paired by seed, with 95 % "
        "t intervals; no difference shown does not mean that there is none."
    )
    left_out = [one for one in findings.rows.study.control_recipes if one.left_out]
    notes = (Paragraph(f"`{one.recipe.name}` was left out. {visible(one.left_out, 400)}", "note") for one in left_out)
    verdicts = (Paragraph(sentence) for kind in ("random", "dense") if (sentence := _verdict(findings, kind)))
    return (Group("Controls", (Paragraph(text), *verdicts, controls_table(findings), *notes)),)


def _verdict(findings: Findings, kind: str) -> str:
    """How many recipes and rates are shown to beat a kind of control."""
    compared = [one for one in findings.controls if one.kind == kind and one.difference and one.difference.known]
    better = [f"`{one.recipe}` {one.rate:g}" for one in compared if one.reading == "better than its control"]
    if not compared:
        return ""
    named = f" ({joined(better[:6])}{', ...' if len(better) > 6 else ''})" if better else ""
    return f"Shown to be better than their {kind} control: {len(better)} of {len(compared)}{named}."


VERDICTS = ("supported", "not supported", "not measured")
