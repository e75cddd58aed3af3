"""Accuracy lost against the unpruned network, and the epochs it took."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from prunus.report.analysis.losses import LossInfo
from prunus.report.content import Block, Chart, Column, Paragraph, Table
from prunus.report.figures import losses
from prunus.report.findings import Findings
from prunus.report.forms import ACCURACY_INTERVAL, NAME, POINTS_INTERVAL, RATE, TEXT, Number
from prunus.report.pages.page import Page, is_drawn, recipe_name


class LossesPage(Page):
    """What pruning cost in accuracy."""

    title: ClassVar[str] = "Accuracy lost"

    def content(self, findings: Findings) -> tuple[Block, ...]:
        """Differences paired by seed, then epochs to 99 % of the unpruned final accuracy."""
        table, epochs = _table(findings), _epochs(findings)
        drawn = tuple(
            loss for loss in findings.losses if loss.difference and is_drawn(findings, loss.recipe, loss.rate)
        )
        blocks: list[Block] = [
            Paragraph(
                "Final test accuracy of each pruned network less that of the unpruned one of the same seed. Where "
                "the 95 % t interval of these differences contains 0, no difference is shown: it may be there, "
                "the seeds do not tell. Of twenty such intervals one misses on average."
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
        return (*blocks, epochs)


def _table(findings: Findings) -> Table:
    rows = tuple(
        (recipe_name(loss.recipe), loss.rate, loss.final, loss.difference, loss.reading)
        for loss in findings.losses
        if loss.recipe is not None
    )
    return Table(
        "accuracy-lost",
        "Accuracy lost against the unpruned network",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("final accuracy, %", ACCURACY_INTERVAL, "measured"),
            Column("difference to unpruned, points", POINTS_INTERVAL, "measured"),
            Column("reading", TEXT),
        ),
        rows,
    )


def _epochs(findings: Findings) -> Table:
    rows = tuple(
        (recipe_name(loss.recipe), loss.rate, _mean(loss), _each(loss))
        for loss in findings.losses
        if loss.epochs_to_reach
    )
    return Table(
        "epochs-to-99",
        "Epochs to reach 99 % of the unpruned final accuracy of the same seed",
        (
            Column("recipe", NAME),
            Column("rate", RATE, "asked"),
            Column("mean epochs", COUNT_TENTH, "measured"),
            Column("each seed", TEXT, "measured"),
        ),
        rows,
        empty="No trial has finished beside an unpruned one of its seed.",
    )


COUNT_TENTH = Number(digits=1)


def _mean(loss: LossInfo) -> float | None:
    """None where a seed never got there: a mean of the others would flatter."""
    known = [epochs for epochs in loss.epochs_to_reach if epochs is not None]
    return sum(known) / len(known) if len(known) == len(loss.epochs_to_reach) else None


def _each(loss: LossInfo) -> str:
    return ", ".join("not reached" if epochs is None else str(epochs) for epochs in loss.epochs_to_reach)
