"""What a page of the report is: findings in, blocks out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from prunus.report.content import Block
from prunus.report.findings import Findings
from prunus.spec.part import Frozen

MOST_RECIPES = 6
"""Figures show at most this many recipes; tables and files have them all."""

MOST_RATES = 8
"""Figures show at most this many rates above 0."""


class Page(Frozen, ABC):
    """One section of the report. It gives data; how that is shown, and escaped, is the templates' business.

    `content` must do with whatever a study has: no finished trial, one seed, one rate, nothing measured.
    """

    title: ClassVar[str]

    @abstractmethod
    def content(self, findings: Findings) -> tuple[Block, ...]:
        """The page's blocks, in order; names in them need no care."""


def drawn_recipes(findings: Findings) -> tuple[str, ...]:
    """The recipes that figures show. Controls are in the tables alone."""
    return tuple(recipe.name for recipe in findings.judged[:MOST_RECIPES])


def drawn_rates(findings: Findings) -> tuple[float, ...]:
    """The rates that figures show: 0, and at most `MOST_RATES` others, the highest among them."""
    pruned = [rate for rate in findings.grid.rates if rate > 0]
    if len(pruned) > MOST_RATES:
        step = (len(pruned) - 1) / (MOST_RATES - 1)
        pruned = [pruned[round(index * step)] for index in range(MOST_RATES)]
    return (0.0, *pruned)


def is_drawn(findings: Findings, recipe: str | None, rate: float) -> bool:
    """Whether figures show this recipe at this rate."""
    return rate in drawn_rates(findings) and (recipe is None or recipe in drawn_recipes(findings))
