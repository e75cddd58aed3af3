"""Accuracy lost against the unpruned network, and the epochs it took."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.content import Block, Chart, Paragraph
from prunus.report.figures import losses
from prunus.report.findings import Findings
from prunus.report.pages.page import Page, is_drawn
from prunus.report.tables.epochs import epochs_table
from prunus.report.tables.leaderboard import leaderboard_table
from prunus.report.tables.losses import losses_table


class LossesPage(Page):
    """What pruning cost in accuracy."""

    title: ClassVar[str] = "Accuracy lost"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Differences paired by seed, then epochs to 99 % of the unpruned final accuracy."""
        table, epochs = losses_table(findings), epochs_table(findings)
        drawn = tuple(
            loss for loss in findings.losses if loss.difference and is_drawn(findings, loss.recipe, loss.rate)
        )
        blocks: list[Block] = [
            Paragraph(
                "Final test accuracy of each pruned network less that of the unpruned one of the same seed. Where "
                "the 95 % t interval of these differences contains 0, no difference is shown: it may be there, "
                "the seeds do not tell. Of twenty such intervals one misses on "
                "average. No interval is narrower than one test input to either side."
            )
        ]
        if any(loss.reading == "one seed, no interval" for loss in findings.losses):
            blocks.append(
                Paragraph(
                    "With one seed there is no interval: a difference could be chance, and is not judged.", "warning"
                )
            )
        if drawn:
            blocks.append(
                Chart(
                    name="accuracy-lost",
                    title="Difference to unpruned, paired by seed",
                    description="One mark per recipe and rate: final accuracy less that of the unpruned network "
                    "in percentage points, with its 95 % interval. The table below has the numbers.",
                    draw=partial(losses.draw, drawn),
                    table=table,
                    caption="The scale is linear within one point of 0 and logarithmic beyond.",
                    open_table=True,
                )
            )
        else:
            blocks += [Paragraph("No pruned trial has finished beside an unpruned one of its seed.", "note"), table]
        return (*blocks, leaderboard_table(findings), epochs)
