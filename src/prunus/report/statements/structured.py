"""Statement 4: what structured pruning is said to be good and bad for."""

from __future__ import annotations

from prunus.report.findings import Findings
from prunus.report.latencies import LatencyInfo, settings_info
from prunus.report.losses import LossInfo, losses_of
from prunus.report.recipes import RecipeTraits
from prunus.report.statements.statement import (
    FINE,
    Statement,
    StatementEvidence,
    control_of_weights,
    decided,
    not_measurable,
    shown,
    top_latencies,
    top_memories,
    unmeasured,
)
from prunus.report.words import counted, span, times

LESS, MORE = 0.95, 1.05
PARALLEL_SLACK = 1.1


def _faster(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = []
    for recipe in findings.recipes_of("structured"):
        timed = top_latencies(findings, recipe.name)
        if timed:
            ratios = [info.ratio for info in timed if info.ratio]
            won, lost = (sum(info.reading == reading for info in timed) for reading in ("faster", "slower"))
            text = (
                f"at rate {timed[0].rate:g} faster in {won} and slower in {lost} of "
                f"{counted(len(timed), 'measured setting')}; latency {span([ratio.mean for ratio in ratios])} of "
                f"the unpruned network's{_best(timed)}."
            )
            found.append(StatementEvidence(recipe.name, text, decided(won > len(timed) / 2 and not lost)))
    return tuple(found) or unmeasured("No structured recipe was timed beside the unpruned network.")


def _less_memory(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = []
    for recipe in findings.recipes_of("structured"):
        measured = top_memories(findings, recipe.name)
        if measured:
            ratios = [info.ratio for info in measured if info.ratio is not None]
            won, lost = sum(ratio <= LESS for ratio in ratios), sum(ratio >= MORE for ratio in ratios)
            text = (
                f"at rate {measured[0].rate:g} at least 5 % less in {won} and 5 % more in {lost} of "
                f"{counted(len(ratios), 'measured setting')}; peak memory {span(ratios)} of the unpruned network's."
            )
            found.append(StatementEvidence(recipe.name, text, decided(won > len(ratios) / 2 and not lost)))
    return tuple(found) or unmeasured("No structured recipe's peak memory was measured beside the unpruned network's.")


def _parallel(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = []
    for recipe in findings.recipes_of("structured"):
        timed = top_latencies(findings, recipe.name)
        pairs = _thread_pairs(timed)
        if pairs:
            holds = all(
                many.ratio
                and one.ratio
                and many.reading == "faster"
                and many.ratio.mean <= PARALLEL_SLACK * one.ratio.mean
                for one, many in pairs
            )
            one, many = pairs[-1]
            text = (
                f"at rate {many.rate:g} ({one.setting.runtime}, batch {one.setting.batch_size}) latency is "
                f"{times(one.ratio)} of the unpruned network's with {counted(one.setting.threads, 'thread')}, "
                f"{times(many.ratio)} with {many.setting.threads}."
            )
            found.append(StatementEvidence(recipe.name, text, decided(holds)))
    threads = sorted({setting.threads for setting in settings_info(findings)})
    timed_with = f"Everything was timed with {counted(threads[0], 'thread')}." if len(threads) == 1 else ""
    return tuple(found) or unmeasured(
        f"{timed_with} What would measure it: timing with several thread counts, or on a GPU.".strip()
    )


def _metric_falls(findings: Findings) -> tuple[StatementEvidence, ...]:
    recipes = [(recipe, losses) for recipe in findings.recipes_of("structured") if (losses := _lost(findings, recipe))]
    any_protected = any(recipe.output_pruned is False for recipe, _ in recipes)
    found: list[StatementEvidence] = []
    for recipe, losses in recipes:
        top = losses[-1]
        way = f" ({recipe.way})" if recipe.way else ""
        metric = findings.metric
        at_the_top = f"{metric.named_value(top.final)} at rate {top.rate:g}"
        text = f"{at_the_top}, {metric.difference(top.difference)} to unpruned: {metric.reading(top.reading)}{way}"
        counts = top.reading != "one seed, no interval" and not (any_protected and recipe.output_pruned)
        outside = "; not counted" if any_protected and recipe.output_pruned else ""
        verdict = shown(holds=top.is_worse, fails=top.keeps) if counts else "not measured"
        found.append(StatementEvidence(recipe.name, f"{text}{outside}.", verdict))
    return tuple(found) or unmeasured("No structured recipe has finished trials beside unpruned ones.")


def _lost(findings: Findings, recipe: RecipeTraits) -> list[LossInfo]:
    return [loss for loss in losses_of(findings, recipe.name) if loss.difference is not None]


def _coarse(findings: Findings) -> tuple[StatementEvidence, ...]:
    found = [
        StatementEvidence(control.recipe, control.text, decided(not control.is_fine))
        for control in control_of_weights(findings, "structured")
    ]
    return tuple(found) or unmeasured("No structured recipe has layers on record.")


def _best(timed: tuple[LatencyInfo, ...]) -> str:
    best = min(timed, key=lambda info: info.ratio.mean if info.ratio else 1)
    return f"; best {times(best.ratio)} ({best.setting.label})"


def _thread_pairs(timed: tuple[LatencyInfo, ...]) -> list[tuple[LatencyInfo, LatencyInfo]]:
    """For each runtime and batch size that was timed with several thread counts: the fewest and the most."""
    settings: dict[tuple[str, int], list[LatencyInfo]] = {}
    for info in timed:
        settings.setdefault((info.setting.runtime, info.setting.batch_size), []).append(info)
    ordered = [sorted(infos, key=lambda info: info.setting.threads) for infos in settings.values() if len(infos) > 1]
    return [(infos[0], infos[-1]) for infos in ordered]


STRUCTURED = (
    Statement(
        "4, for",
        "Structured pruning: hardware efficiency: faster inference.",
        "Supported when at least one structured recipe, at its highest measured rate, is shown to be faster than "
        "the unpruned network in more than half of the measured settings and to be slower in none, corrected for the "
        "number of all ratios in the table of latency.",
        "some",
        _faster,
    ),
    Statement(
        "4, for",
        "Structured pruning: hardware efficiency: less memory.",
        f"Supported when at least one structured recipe, at its highest measured rate, takes at most {LESS:.0%} of the "
        f"unpruned network's peak memory in more than half of the measured settings and at least {MORE:.0%} in none "
        "(one process each, so no interval).",
        "some",
        _less_memory,
    ),
    Statement(
        "4, for",
        "Structured pruning: simplicity.",
        "Not measurable by a study's rows.",
        "some",
        not_measurable(
            "Nothing in a study's rows tells how simple a method is. What would: lines of code that each kind needs "
            "in a runtime and in a training loop, the share of architectures it can be applied to unaided, or the "
            "time that newcomers need for it."
        ),
    ),
    Statement(
        "4, for",
        "Structured pruning: suits parallel hardware.",
        "Needs timings with at least two thread counts. Supported when at least one structured recipe, at its "
        "highest measured rate, is still shown to be faster than unpruned with the most threads "
        f"(corrected as above) and keeps its ratio within {PARALLEL_SLACK - 1:.0%} of that with the fewest.",
        "some",
        _parallel,
    ),
    Statement(
        "4, against",
        "Structured pruning: {name} {down} when important structures go.",
        "Supported when at least one structured recipe that leaves the output layer alone, at its highest rate, ends "
        "{beyond} the unpruned network as shown by the table of {lost}, corrected for the number of its cells; not "
        "shown when the seeds tell neither that nor that no more than the margin is lost. Recipes that prune the "
        "output layer lose classes and count only where there is no other. Not measured with one seed.",
        "some",
        _metric_falls,
    ),
    Statement(
        "4, against",
        "Structured pruning: coarse.",
        f"Supported when, of every structured recipe, more than {100 * FINE:g} % of the weights of some asked "
        f"layer have to go at once, or the share of weights that is gone misses a rate by more than {100 * FINE:g} "
        "point.",
        "every",
        _coarse,
    ),
)
