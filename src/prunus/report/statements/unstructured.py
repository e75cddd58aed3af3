"""Statement 5: what unstructured pruning is said to be good and bad for."""

from __future__ import annotations

from prunus.report.findings import Findings
from prunus.report.statements.control import FINE, control_of_weights
from prunus.report.statements.measured import top_latencies, top_sizes
from prunus.report.statements.statement import Evidence, Statement, decided, unmeasured
from prunus.report.words import counted, percent, span, times

KEEPS_WITHIN = 0.01
HIGHER_BY = 0.01
SMALLER = 0.95
WORTH_TIMING = 1.2


def fine_grained(findings: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: fine-grained control."""
    found = [
        Evidence(control.recipe, control.text, decided(control.is_fine))
        for control in control_of_weights(findings, "unstructured")
    ]
    return tuple(found) or unmeasured("No unstructured recipe has layers on record.")


def higher_sparsity(findings: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: higher sparsity."""
    structured = [best for r in findings.recipes_of("structured") if (best := _sparsest(findings, r.name)) is not None]
    unstructured = [(r.name, _sparsest(findings, r.name)) for r in findings.recipes_of("unstructured")]
    if not structured or all(best is None for _, best in unstructured):
        return unmeasured("It needs recipes of both kinds with more than one seed, beside unpruned trials.")
    other, other_rate, other_name = max(structured)
    found = []
    for name, best in unstructured:
        if best is None:
            continue
        own, rate, _ = best
        text = f"{_kept(own, rate)}; the best structured recipe, `{other_name}`, {_kept(other, other_rate)}."
        found.append(Evidence(name, text, decided(own > other + HIGHER_BY)))
    return tuple(found)


def _kept(sparsity: float, rate: float) -> str:
    if rate == 0:
        return "keeps the unpruned accuracy at no rate"
    return f"keeps the unpruned accuracy up to a sparsity of {percent(sparsity)} (rate {rate:g})"


def _sparsest(findings: Findings, recipe: str) -> tuple[float, float, str] | None:
    """Highest sparsity at which the recipe keeps the unpruned accuracy, its rate, its name; None if unknown."""
    rows = [row for row in findings.summary if row.recipe == recipe and row.difference and row.difference.known]
    if not rows:
        return None
    kept = [
        (row.sparsity, row.rate, recipe)
        for row in rows
        if row.sparsity is not None and row.difference
        if not row.difference.is_below(0) and row.difference.mean >= -KEEPS_WITHIN
    ]
    return max(kept, default=(0.0, 0.0, recipe))


def smaller(findings: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: smaller models."""
    found = []
    for recipe in findings.recipes_of("unstructured"):
        files = top_sizes(findings, recipe.name)
        if files:
            sizes = ", ".join(f"{info.format} {percent(info.ratio)}" for info in files)
            cost = findings.cost.get((recipe.name, files[0].rate))
            theory = f" ({times(cost.compression_nonzero)} times fewer non-zero parameters)" if cost else ""
            text = f"at rate {files[0].rate:g} the file has, of the unpruned network's bytes: {sizes}{theory}."
            found.append(Evidence(recipe.name, text, decided(any((info.ratio or 1) <= SMALLER for info in files))))
    return tuple(found) or unmeasured("No unstructured recipe's network was written to a file.")


def irregular(_: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: irregular memory access."""
    return unmeasured(
        "Times alone do not tell where a processor waits. What would: cache misses and stalled cycles from hardware "
        "counters, of a runtime that skips zeros and of one that does not. A runtime that ignores zeros reads every "
        "weight in order, so its access stays regular."
    )


def complex_to_implement(_: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: complex to implement."""
    return unmeasured(
        "Nothing in a study's rows tells how complex a method is. What would: lines of code of a kernel that profits "
        "from zeros, beside those of a dense one, and the number of operations it covers."
    )


def little_support(findings: Findings) -> tuple[Evidence, ...]:
    """Unstructured pruning: little hardware support."""
    found = []
    for recipe in findings.recipes_of("unstructured"):
        timed = top_latencies(findings, recipe.name)
        cost = findings.cost.get((recipe.name, timed[0].rate)) if timed else None
        if cost is None or cost.theoretical_speedup is None or cost.theoretical_speedup < WORTH_TIMING:
            continue
        speedup = cost.theoretical_speedup
        ratios = [info.ratio for info in timed if info.ratio]
        gaining = [
            i.setting.runtime for i in timed if i.ratio and i.ratio.is_below(1) and _gains(i.ratio.mean, speedup)
        ]
        where = f" ({', '.join(dict.fromkeys(gaining))})" if gaining else ""
        text = (
            f"at rate {timed[0].rate:g} the theoretical speed-up is {times(cost.theoretical_speedup)}; measured "
            f"latency is {span([ratio.mean for ratio in ratios])} of the unpruned network's, and at least half of "
            f"the theoretical gain arrives in {len(gaining)} of {counted(len(timed), 'measured setting')}{where}."
        )
        found.append(Evidence(recipe.name, text, decided(not gaining)))
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
        fine_grained,
    ),
    Statement(
        "5, for",
        "Unstructured pruning: higher sparsity.",
        "A rate keeps the accuracy when the paired difference to unpruned has not its whole 95 % interval below 0 "
        f"and is on average at most {100 * KEEPS_WITHIN:g} point. Supported when at least one unstructured recipe "
        f"keeps it at a sparsity more than {100 * HIGHER_BY:g} point above the highest at which any structured "
        "recipe does.",
        "some",
        higher_sparsity,
    ),
    Statement(
        "5, for",
        "Unstructured pruning: smaller models.",
        "Supported when at least one unstructured recipe, at its highest rate, writes a file (of any format) of "
        f"at most {SMALLER:.0%} of the unpruned network's bytes.",
        "some",
        smaller,
    ),
    Statement(
        "5, against",
        "Unstructured pruning: irregular memory access.",
        "Not measurable by a study's rows.",
        "some",
        irregular,
    ),
    Statement(
        "5, against",
        "Unstructured pruning: complex to implement.",
        "Not measurable by a study's rows.",
        "some",
        complex_to_implement,
    ),
    Statement(
        "5, against",
        "Unstructured pruning: little hardware support.",
        f"For unstructured recipes whose theoretical speed-up is at least {WORTH_TIMING:g} at the highest measured "
        "rate. Supported when, of every one, in no measured setting at least half of the time is saved that the "
        "theory promises (with the whole 95 % interval of the latency ratio below 1).",
        "every",
        little_support,
    ),
)
