"""Bit operations of every curve, and accuracy against them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.costs import CostInfo
from prunus.report.content import Block, Chart, Paragraph, Table
from prunus.report.figures import bops
from prunus.report.findings import Findings
from prunus.report.names import visible
from prunus.report.pages.page import Page, is_drawn
from prunus.report.tables.bops import bops_table


class BopsPage(Page):
    """What each network costs in bit operations."""

    title: ClassVar[str] = "Bit operations"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Accuracy against BOPs with the Pareto front, and the BOPs of every curve."""
        measurement = findings.rows.study.measurement
        blocks: list[Block] = [
            Paragraph(
                "BOPs are the sum over layers of multiply-accumulates × weight bits × activation bits "
                f"({measurement.weight_bits} × {measurement.activation_bits} here), for one input. Dense BOPs are "
                "what a runtime executes that ignores zeros, effective BOPs those with a non-zero weight. Both "
                "are computed from the final network; neither is a time."
            )
        ]
        if missing := sorted({name for cost in findings.costs for name in cost.not_counted}):
            blocks.append(Paragraph(f"Not counted: {visible(', '.join(missing), 400)}.", "warning"))
        table = bops_table(findings)
        drawn = tuple(
            cost
            for cost in findings.costs
            if cost.accuracy and cost.effective_bops and is_drawn(findings, cost.recipe, cost.rate)
        )
        if not drawn:
            return (*blocks, Paragraph("No finished trial has its cost computed.", "note"), table)
        return (*blocks, _chart(drawn, table))


def _chart(drawn: tuple[CostInfo, ...], table: Table) -> Chart:
    return Chart(
        name="accuracy-bops",
        title="Final accuracy against bit operations",
        description="Final test accuracy in percent over BOPs per input on a logarithmic axis, dense on the left, "
        "effective on the right: colour is the rate, shape the recipe, the stepped line the Pareto front. The "
        "table has the numbers.",
        draw=partial(bops.draw, drawn),
        table=table,
        caption="On the Pareto front is a network that no other one beats: none is cheaper and as accurate. "
        "The accuracy axis is logarithmic in the error.",
        open_table=True,
    )
