"""Where the numbers come from, and how to have them again."""

from __future__ import annotations

from typing import ClassVar

from prunus.report.content import Block, Facts, Group, Listing, Paragraph
from prunus.report.findings import Findings
from prunus.report.names import visible, visible_lines
from prunus.report.pages.page import Page
from prunus.report.tables.sessions import sessions_table
from prunus.report.words import joined

MOST_OF_STUDY = 60_000


class ProvenancePage(Page):
    """Machine, versions, digests, sessions, the command to repeat it."""

    title: ClassVar[str] = "Provenance"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Everything needed to run the study again."""
        info = findings.provenance
        blocks: list[Block] = [
            Facts(
                (
                    ("study", info.study),
                    ("study digest", info.digest),
                    ("model", visible(info.model)),
                    ("data", visible(info.data)),
                    ("rates", ", ".join(f"{rate:g}" for rate in info.rates)),
                    ("seeds", ", ".join(str(seed) for seed in info.seeds)),
                    ("epochs", str(info.epochs)),
                )
            ),
            Paragraph("The command to repeat it:"),
            Listing("", visible_lines(info.command)),
        ]
        if info.changed:
            blocks.append(
                Paragraph(
                    f"Between the sessions of this study there was a change of: {joined(info.changed)}.", "warning"
                )
            )
        blocks += [
            Group("Machine", (Facts(_shown(info.machine)),)),
            Group("Versions", (Facts(_shown(info.versions)),)),
            Group("Sessions", (sessions_table(findings),)),
            Listing("The whole study, resolved", visible_lines(info.resolved, MOST_OF_STUDY)),
        ]
        return tuple(blocks)


def _shown(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((visible(term), visible(value, 400)) for term, value in pairs[:80])
