"""What a statement of the reference experiment is, and how a verdict on it comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prunus.report.findings import Findings

Verdict = Literal["supported", "not supported", "not measured"]
Quantifier = Literal["every", "some"]


@dataclass(frozen=True)
class Evidence:
    """What one recipe says about a statement."""

    recipe: str | None
    text: str
    verdict: Verdict

    def __str__(self) -> str:
        subject = f"`{self.recipe}`: " if self.recipe is not None else ""
        return f"{subject}{self.text} ({self.verdict})" if self.recipe is not None else self.text


@dataclass(frozen=True)
class Statement:
    """A claim, the rule by which this study's rows decide on it, and the function that does.

    quantifier: `every` is supported when every recipe with evidence supports it, `some` when at least one does.
    """

    key: str
    claim: str
    rule: str
    quantifier: Quantifier
    judge: Callable[[Findings], tuple[Evidence, ...]]


@dataclass(frozen=True)
class Judgement:
    """A statement with its evidence and the verdict that follows."""

    statement: Statement
    evidence: tuple[Evidence, ...]
    verdict: Verdict


def judged(statement: Statement, findings: Findings) -> Judgement:
    """Apply a statement's rule to a study."""
    evidence = statement.judge(findings)
    return Judgement(statement, evidence, combined(statement.quantifier, (one.verdict for one in evidence)))


def combined(quantifier: Quantifier, verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict of several; those that were not measured do not count.

    >>> combined("every", ["supported", "not supported"]), combined("some", ["supported", "not supported"])
    ('not supported', 'supported')
    """
    counted = [verdict == "supported" for verdict in verdicts if verdict != "not measured"]
    if not counted:
        return "not measured"
    return "supported" if (all(counted) if quantifier == "every" else any(counted)) else "not supported"


def decided(holds: bool) -> Verdict:
    """The verdict of a rule that could be applied."""
    return "supported" if holds else "not supported"


def unmeasured(text: str, recipe: str | None = None) -> tuple[Evidence, ...]:
    """Evidence that is missing, and why."""
    return (Evidence(recipe, text, "not measured"),)
