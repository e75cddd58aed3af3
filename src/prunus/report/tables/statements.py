"""Statements, what a study says to them, and the rules by which it does."""

from __future__ import annotations

from prunus.report.content import Column, Table
from prunus.report.forms import (
    EVIDENCE,
    RULED,
    TEXT,
    VERDICT,
)
from prunus.report.statements import Judgement


def statements_table(judgements: tuple[Judgement, ...]) -> Table:
    """A row per statement."""
    return Table(
        "statements",
        "The statements and what this study says to them",
        (
            Column("no.", TEXT),
            Column("statement", RULED),
            Column("evidence in this study", EVIDENCE),
            Column("verdict", VERDICT),
        ),
        tuple(
            (one.statement.key, (one.statement.claim, one.statement.rule), one.evidence, one.verdict)
            for one in judgements
        ),
    )
