"""What a statement of the reference experiment is, how a verdict comes about, and what several statements look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prunus.report.achieved import UNITS, AchievedInfo, achieved_info
from prunus.report.findings import Findings
from prunus.report.forms import EVIDENCE, RULED, TEXT, VERDICT
from prunus.report.latencies import LatencyInfo, latencies_info
from prunus.report.layers import LayerInfo, layers_info
from prunus.report.memories import MemoryInfo, memories_info
from prunus.report.metric import StudyMetric
from prunus.report.sizes import SizeInfo, sizes_info
from prunus.report.tables import Table, table_of
from prunus.report.words import percent

Verdict = Literal["supported", "not supported", "not shown", "not measured"]
"""`not shown`: it was measured, and the seeds tell neither."""

Quantifier = Literal["every", "some"]


@dataclass(frozen=True)
class StatementEvidence:
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

    claim, rule: in which `{name}` and the other `StudyMetric.words` stand for what is said of the study's metric.
    quantifier: `every` is supported when every recipe with evidence supports it, `some` when at least one does.
    of_accuracy: it says something of shares of right answers that has no sense for other metrics.
    """

    key: str
    claim: str
    rule: str
    quantifier: Quantifier
    judge: Callable[[Findings], tuple[StatementEvidence, ...]]
    of_accuracy: bool = False

    def holds_for(self, metric: StudyMetric) -> bool:
        """Whether it can be asked of a study with this metric."""
        return metric.is_accuracy or not self.of_accuracy


@dataclass(frozen=True)
class Judgement:
    """A statement, worded for the study's metric, with its evidence and the verdict that follows."""

    key: str
    claim: str
    rule: str
    evidence: tuple[StatementEvidence, ...]
    verdict: Verdict


def judged(statement: Statement, findings: Findings) -> Judgement:
    """Apply a statement's rule to a study."""
    evidence = statement.judge(findings)
    claim, rule = findings.metric.filled(statement.claim), findings.metric.filled(statement.rule)
    verdict = combined(statement.quantifier, (one.verdict for one in evidence))
    return Judgement(statement.key, claim, rule, evidence, verdict)


def combined(quantifier: Quantifier, verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict of several; those that were not measured do not count.

    One that decides goes before one that is open, and that before the others.

    >>> combined("every", ["supported", "not supported"]), combined("some", ["supported", "not supported"])
    ('not supported', 'supported')
    >>> combined("every", ["supported", "not shown"]), combined("every", ["not shown", "not supported"])
    ('not shown', 'not supported')
    """
    given = set(verdicts)
    deciding: tuple[Verdict, ...] = ("not supported", "not shown", "supported", "not measured")
    if quantifier == "some":
        deciding = ("supported", "not shown", "not supported", "not measured")
    return next((verdict for verdict in deciding if verdict in given), "not measured")


def decided(holds: bool) -> Verdict:
    """The verdict of a rule that could be applied."""
    return "supported" if holds else "not supported"


def shown(*, holds: bool, fails: bool) -> Verdict:
    """The verdict where seeds may tell that a rule holds, that it fails, or neither."""
    return "supported" if holds else "not supported" if fails else "not shown"


def unmeasured(text: str, recipe: str | None = None) -> tuple[StatementEvidence, ...]:
    """StatementEvidence that is missing, and why."""
    return (StatementEvidence(recipe, text, "not measured"),)


def not_measurable(text: str) -> Callable[[Findings], tuple[StatementEvidence, ...]]:
    """The judge of a statement that no study's rows can tell of. text: why, and what would tell."""
    return lambda _: unmeasured(text)


def statements_table(judgements: tuple[Judgement, ...]) -> Table:
    """A row per statement."""
    return table_of(
        "statements",
        "The statements and what this study says to them",
        judgements,
        (
            ("no.", TEXT, None, lambda one: one.key),
            ("statement", RULED, None, lambda one: (one.claim, one.rule)),
            ("evidence in this study", EVIDENCE, None, lambda one: one.evidence),
            ("verdict", VERDICT, None, lambda one: one.verdict),
        ),
    )


def top_latencies(findings: Findings, recipe: str) -> tuple[LatencyInfo, ...]:
    """The recipe's timed cells of its highest timed rate, those whose ratio has an interval."""
    timed = [
        info
        for info in latencies_info(findings)
        if info.recipe == recipe and info.ratio is not None and info.ratio.known
    ]
    top = max((info.rate for info in timed), default=0.0)
    return tuple(info for info in timed if info.rate == top)


def top_memories(findings: Findings, recipe: str) -> tuple[MemoryInfo, ...]:
    """The recipe's measured memories of its highest measured rate."""
    measured = [info for info in memories_info(findings) if info.recipe == recipe and info.ratio is not None]
    top = max((info.rate for info in measured), default=0.0)
    return tuple(info for info in measured if info.rate == top)


def top_sizes(findings: Findings, recipe: str) -> tuple[SizeInfo, ...]:
    """The recipe's files of its highest rate that has any."""
    written = [info for info in sizes_info(findings) if info.recipe == recipe and info.ratio is not None]
    top = max((info.rate for info in written), default=0.0)
    return tuple(info for info in written if info.rate == top)


FINE = 0.01
"""ControlStatement counts as fine when neither a step nor a deviation is larger than this share of the weights."""


@dataclass(frozen=True)
class ControlStatement:
    """One recipe's control. Shares of weights."""

    recipe: str
    step: float  # the largest share of an asked layer's weights that has to go at once
    deviation: float  # how far the share that is gone is from the rate, at worst
    text: str

    @property
    def is_fine(self) -> bool:
        """Neither is larger than one point."""
        return max(self.step, self.deviation) <= FINE


def control_of_weights(findings: Findings, family: str) -> tuple[ControlStatement, ...]:
    """The control of each recipe of a kind that has layers on record."""
    found = []
    for recipe in findings.recipes_of(family):
        layers = [
            row
            for row in layers_info(findings)
            if row.recipe == recipe.name and row.asked and row.weights and row.units
        ]
        shares = [
            row
            for row in achieved_info(findings)
            if row.recipe == recipe.name and row.weights_in_asked_layers is not None and row.unit in UNITS
        ]
        if layers and shares:
            found.append(_control(recipe.name, layers, shares))
    return tuple(found)


def _control(recipe: str, layers: list[LayerInfo], shares: list[AchievedInfo]) -> ControlStatement:
    unit = shares[0].unit

    def step(layer: LayerInfo) -> float:
        return 1 / (layer.units if unit == "units" else layer.weights)

    coarsest, worst = max(layers, key=step), max(shares, key=_deviation)
    text = (
        f"the coarsest step is one {unit.removesuffix('s')} of `{coarsest.layer}`, {100 * step(coarsest):.2g} % of its "
        f"weights; asked for {worst.rate:g}, {percent(worst.weights_in_asked_layers)} of the asked layers' weights are "
        f"gone or zero, the largest deviation ({100 * _deviation(worst):.1f} points)."
    )
    return ControlStatement(recipe, step(coarsest), _deviation(worst), text)


def _deviation(row: AchievedInfo) -> float:
    return abs((row.weights_in_asked_layers or 0.0) - row.rate)
