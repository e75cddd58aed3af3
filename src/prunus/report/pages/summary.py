"""What was found, first."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.content import Block, Bullets, Chart, Paragraph, Table
from prunus.report.figures import by_rate
from prunus.report.findings import Findings
from prunus.report.headline import headline
from prunus.report.pages.page import MOST_RECIPES, Page, drawn_rates, drawn_recipes
from prunus.report.tables.summary import summary_table
from prunus.report.words import counted


class SummaryPage(Page):
    """The study in a few sentences, one picture and one table."""

    title: ClassVar[str] = "What was found"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Sentences, final accuracy by rate, and a row per recipe and rate."""
        blocks: list[Block] = [Bullets(headline(findings))]
        if lost := findings.failures.lost:
            blocks += [
                Paragraph("Something of this study is missing, and what follows is made of the rest:", "warning")
            ]
            blocks.append(Bullets(tuple(one.sentence for one in lost)))
        unfinished = findings.failures.unfinished
        if unfinished:
            blocks.append(
                Paragraph(
                    f"This study is not complete: {counted(len(unfinished), 'trial')} of {findings.failures.planned} "
                    "have no result yet (listed under Diagnoses). Everything below is made of those that have.",
                    "warning",
                )
            )
        table = summary_table(findings)
        if any(row.accuracy for row in findings.summary):
            blocks.append(_chart(findings, table))
        else:
            blocks += [Paragraph("No trial has finished yet, so there is no accuracy to show.", "note"), table]
        return tuple(blocks)


def _chart(findings: Findings, table: Table) -> Chart:
    recipes, rates = drawn_recipes(findings), drawn_rates(findings)
    drawn = tuple(row for row in findings.summary if row.rate in rates)
    more = f" The first {MOST_RECIPES} recipes are drawn." if len(findings.judged) > MOST_RECIPES else ""
    return Chart(
        name="accuracy-by-rate",
        title="Final test accuracy by pruning rate",
        description="A line per recipe: final test accuracy in percent over the pruning rate asked for, starting "
        "at the unpruned network, with 95 % intervals over seeds. The table below has the numbers.",
        draw=partial(by_rate.draw, drawn, recipes),
        table=table,
        caption=f"Mean over seeds; whiskers are 95 % t intervals, cut at 0 and 100 %.{more}",
        open_table=True,
    )
