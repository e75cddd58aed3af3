"""Statement 5: what unstructured pruning is said to be good and bad for."""

from __future__ import annotations

from dataclasses import dataclass

from prunus.report.costs import cost_of
from prunus.report.findings import Findings
from prunus.report.metric import StudyMetric
from prunus.report.statements.statement import (
    FINE,
    Statement,
    StatementEvidence,
    control_of_weights,
    decided,
    not_measurable,
    shown,
    top_latencies,
    top_sizes,
    unmeasured,
)
from prunus.report.summary import summary_info
from prunus.report.words import counted, percent, span, times

HIGHER_BY = 0.01
SMALLER = 0.95
WORTH_TIMING = 1.2


def _fine_grained(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = [
        StatementEvidence(control.recipe, control.text, decided(control.is_fine))
        for control in control_of_weights(findings, "unstructured")
    ]
    return tuple(found) or unmeasured("No unstructured recipe has layers on record.")


def _higher_sparsity(findings: Findings) -> tuple[StatementEvidence, ...]:
    structured = [kept for r in findings.recipes_of("structured") if (kept := _kept(findings, r.name)) is not None]
    unstructured = [kept for r in findings.recipes_of("unstructured") if (kept := _kept(findings, r.name)) is not None]
    if not structured or not unstructured:
        return unmeasured("It needs recipes of both kinds with more than one seed, beside unpruned trials.")
    best, possible = max(kept.shown for kept in structured), max(kept.possible for kept in structured)
    other = max(structured, key=lambda kept: (kept.shown, kept.possible))
    metric, found = findings.metric, []
    for kept in unstructured:
        verdict = shown(holds=kept.shown > possible + HIGHER_BY, fails=kept.possible <= best + HIGHER_BY)
        text = f"{kept.text(metric)}; the best structured recipe, `{other.recipe}`: {other.text(metric)}."
        found.append(StatementEvidence(kept.recipe, text, verdict))
    return tuple(found)


@dataclass(frozen=True)
class _Kept:
    """The highest sparsity at which a recipe is shown to lose no more than the margin, and is not shown to lose."""

    recipe: str
    shown: float
    possible: float

    def text(self, metric: StudyMetric) -> str:
        keeps = f"is shown to keep the unpruned {metric.name} up to a sparsity of {percent(self.shown)}"
        if self.shown == 0:
            keeps = f"is shown to keep the unpruned {metric.name} at no rate"
        open_up_to = f"; up to {percent(self.possible)} no {metric.loss} is shown" if self.possible > self.shown else ""
        return keeps + open_up_to


def _kept(findings: Findings, recipe: str) -> _Kept | None:
    """None where nothing is known: no finished trials, or one seed."""
    rows = [
        (row.sparsity, row.reading)
        for row in summary_info(findings)
        if row.recipe == recipe and row.difference and row.difference.known and row.sparsity is not None
    ]
    if not rows:
        return None
    keeps = (sparsity for sparsity, reading in rows if reading in ("equivalent", findings.metric.better))
    not_worse = (sparsity for sparsity, reading in rows if reading != findings.metric.worse)
    return _Kept(recipe, max(keeps, default=0.0), max(not_worse, default=0.0))


def _smaller(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = []
    for recipe in findings.recipes_of("unstructured"):
        files = top_sizes(findings, recipe.name)
        if files:
            sizes = ", ".join(f"{info.format} {percent(info.ratio)}" for info in files)
            cost = cost_of(findings).get((recipe.name, files[0].rate))
            theory = f" ({times(cost.compression_nonzero)} times fewer non-zero parameters)" if cost else ""
            text = f"at rate {files[0].rate:g} the file has, of the unpruned network's bytes: {sizes}{theory}."
            found.append(
                StatementEvidence(recipe.name, text, decided(any((info.ratio or 1) <= SMALLER for info in files)))
            )
    return tuple(found) or unmeasured("No unstructured recipe's network was written to a file.")


def _little_support(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = []
    for recipe in findings.recipes_of("unstructured"):
        timed = top_latencies(findings, recipe.name)
        cost = cost_of(findings).get((recipe.name, timed[0].rate)) if timed else None
        if cost is None or cost.theoretical_speedup is None or cost.theoretical_speedup < WORTH_TIMING:
            continue
        speedup = cost.theoretical_speedup
        ratios = [info.ratio for info in timed if info.ratio]
        gaining = [
            i.setting.runtime for i in timed if i.ratio and i.reading == "faster" and _gains(i.ratio.mean, speedup)
        ]
        where = f" ({', '.join(dict.fromkeys(gaining))})" if gaining else ""
        text = (
            f"at rate {timed[0].rate:g} the theoretical speed-up is {times(cost.theoretical_speedup)}; measured "
            f"latency is {span([ratio.mean for ratio in ratios])} of the unpruned network's, and at least half of "
            f"the theoretical gain arrives in {len(gaining)} of {counted(len(timed), 'measured setting')}{where}."
        )
        found.append(StatementEvidence(recipe.name, text, decided(not gaining)))
    return tuple(found) or unmeasured(
        f"No unstructured recipe with a theoretical speed-up of at least {WORTH_TIMING:g} was timed."
    )


def _gains(ratio: float, speedup: float) -> bool:
    """At least half of the time that the theory promises to save is saved."""
    return 1 - ratio >= (1 - 1 / speedup) / 2


UNSTRUCTURED = (
    Statement(
        "5, for",
        "Unstructured pruning: fine-grained control.",
        f"Supported when, of every unstructured recipe, no more than {100 * FINE:g} % of the weights of any asked "
        f"layer have to go at once, and the share that is gone is within {100 * FINE:g} point of every rate.",
        "every",
        _fine_grained,
    ),
    Statement(
        "5, for",
        "Unstructured pruning: higher sparsity.",
        "A rate keeps the {name} when it is shown to be equivalent to unpruned within the study's margin, or {better}, "
        "and loses it when it is shown to be {worse}. Supported when at least one unstructured recipe keeps it at a "
        f"sparsity more than {100 * HIGHER_BY:g} point above the highest at which any structured recipe is not shown "
        "to lose it; not supported when every one loses it above what a structured recipe keeps; else not shown.",
        "some",
        _higher_sparsity,
    ),
    Statement(
        "5, for",
        "Unstructured pruning: smaller models.",
        "Supported when at least one unstructured recipe, at its highest rate, writes a file (of any format) of "
        f"at most {SMALLER:.0%} of the unpruned network's bytes.",
        "some",
        _smaller,
    ),
    Statement(
        "5, against",
        "Unstructured pruning: irregular memory access.",
        "Not measurable by a study's rows.",
        "some",
        not_measurable(
            "Times alone do not tell where a processor waits. What would: cache misses and stalled cycles from "
            "hardware counters, of a runtime that skips zeros and of one that does not. A runtime that ignores zeros "
            "reads every weight in order, so its access stays regular."
        ),
    ),
    Statement(
        "5, against",
        "Unstructured pruning: complex to implement.",
        "Not measurable by a study's rows.",
        "some",
        not_measurable(
            "Nothing in a study's rows tells how complex a method is. What would: lines of code of a kernel that "
            "profits from zeros, beside those of a dense one, and the number of operations it covers."
        ),
    ),
    Statement(
        "5, against",
        "Unstructured pruning: little hardware support.",
        f"For unstructured recipes whose theoretical speed-up is at least {WORTH_TIMING:g} at the highest measured "
        "rate. Supported when, of every one, in no measured setting at least half of the time is saved that the "
        "theory promises (by a network that is shown to be faster, corrected for the number of ratios).",
        "every",
        _little_support,
    ),
)
