"""Epochs to reach 99 % of the unpruned final accuracy."""

from __future__ import annotations

from prunus.report.analysis.losses import LossInfo
from prunus.report.content import Column, Table
from prunus.report.findings import Findings
from prunus.report.forms import (
    NAME,
    RATE,
    TEXT,
    Number,
)
from prunus.report.tables.words import recipe_name


def epochs_table(findings: Findings) -> Table:
    """Mean and each seed; "not reached" is a value."""
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
            Column("mean epochs", Number(digits=1), "measured"),
            Column("each seed", TEXT, "measured"),
        ),
        rows,
        empty="No trial has finished beside an unpruned one of its seed.",
    )


def _mean(loss: LossInfo) -> float | None:
    """None where a seed never got there: a mean of the others would flatter."""
    known = [epochs for epochs in loss.epochs_to_reach if epochs is not None]
    return sum(known) / len(known) if len(known) == len(loss.epochs_to_reach) else None


def _each(loss: LossInfo) -> str:
    return ", ".join("not reached" if epochs is None else str(epochs) for epochs in loss.epochs_to_reach)
