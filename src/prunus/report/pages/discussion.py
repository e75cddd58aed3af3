"""The reference experiment's statements, judged by this study's rows."""

from __future__ import annotations

from typing import ClassVar

from prunus.report.content import Block, Paragraph
from prunus.report.findings import Findings
from prunus.report.pages.page import Page
from prunus.report.statements import STATEMENTS, judged
from prunus.report.tables.statements import statements_table


class DiscussionPage(Page):
    """Which of the statements hold here."""

    title: ClassVar[str] = "Discussion"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """One row per statement: evidence, verdict, and the rule that gave it."""
        judgements = tuple(judged(statement, findings) for statement in STATEMENTS)
        counts = {name: sum(one.verdict == name for one in judgements) for name in VERDICTS}
        return (
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


VERDICTS = ("supported", "not supported", "not measured")
