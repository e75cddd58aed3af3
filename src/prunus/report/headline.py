"""What the study found, in a few sentences made from its rows."""

from __future__ import annotations

from collections.abc import Callable

from prunus.report.analysis.summary import SummaryInfo
from prunus.report.findings import Findings
from prunus.report.forms import POINTS, TIMES
from prunus.report.statistics import Interval
from prunus.report.words import accuracy, counted, listed, percent, points, span, times

KEEPS_WITHIN = 0.01


def headline(findings: Findings) -> tuple[str, ...]:
    """Up to six sentences; what the study cannot say is left out."""
    return tuple(sentence for make in SENTENCES if (sentence := make(findings)))


def progress(findings: Findings) -> str:
    """How much of the study is there."""
    failures, provenance = findings.failures, findings.provenance
    pruned = sum(rate > 0 for rate in provenance.rates)
    text = (
        f"{_recipes(findings)} at {counted(pruned, 'pruning rate')} and unpruned, "
        f"{counted(len(provenance.seeds), 'seed')} each, {counted(provenance.epochs, 'epoch')} of training of "
        f"`{provenance.model}` on `{provenance.data}`: {failures.finished} of {counted(failures.planned, 'trial')} "
        "finished"
    )
    if failures.failed:
        text += f", {len(failures.failed)} failed"
    if failures.unfinished:
        text += f", {len(failures.unfinished)} still to come"
    return text + "."


def _recipes(findings: Findings) -> str:
    """`5 recipes and 4 controls`."""
    recipes, controls = len(findings.judged), len(findings.recipes) - len(findings.judged)
    return counted(recipes, "recipe") + (f" and {counted(controls, 'control')}" if controls else "")


def cheapest_without_loss(findings: Findings) -> str | None:
    """The network of fewest bit operations that keeps the unpruned accuracy."""
    control = findings.loss.get((None, 0.0))
    if control is None or control.final is None:
        return None
    kept = [row for row in findings.results if _keeps(row) and row.effective_bops_share is not None]
    if not kept:
        if not any(row.difference and row.difference.known for row in findings.results):
            return None
        within = f"{100 * KEEPS_WITHIN:g} point"
        return f"Every pruned network loses accuracy: a loss is shown, or is above {within} on average."
    best = min(kept, key=lambda row: row.effective_bops_share or 1)
    return (
        f"The cheapest network with no loss shown and a mean within {100 * KEEPS_WITHIN:g} point of the unpruned "
        f"{accuracy(control.final)} is `{best.recipe}` at rate {best.rate:g}: {accuracy(best.accuracy)} "
        f"({points(best.difference)}) with {percent(best.effective_bops_share)} of the effective BOPs, which is "
        "computed, not timed."
    )


def collapse(findings: Findings) -> str | None:
    """What pruning the output layer does."""
    judged = {None, *(recipe.name for recipe in findings.judged)}
    cut = [
        info
        for info in findings.cut_off
        if info.recipe in judged and len(info.classes) > 1 and info.ceiling is not None
    ]
    if not cut:
        return None
    worst = min(cut, key=lambda info: (info.ceiling or 1, info.accuracy or 0))
    name = worst.recipe if worst.recipe is not None else "unpruned"
    text = (
        f"`{name}` at rate {worst.rate:g} empties {len(worst.classes)} of "
        f"{counted(worst.of_classes, 'output row')}: no more than {percent(worst.ceiling)} can be reached whatever "
        f"the other layers do, and {accuracy(worst.accuracy)} is"
    )
    twin = next(
        (
            recipe
            for recipe in findings.judged
            if recipe.output_pruned is False
            and recipe.pattern == _pattern(findings, worst.recipe)
            and (loss := findings.loss.get((recipe.name, worst.rate))) is not None
            and loss.final is not None
        ),
        None,
    )
    if twin is not None:
        final = accuracy(findings.loss[twin.name, worst.rate].final)
        text += f"; with the output layer left alone, `{twin.name}` ends at {final}"
    return text + "."


def unstructured_time(findings: Findings) -> str | None:
    """Whether zeros alone bought any time."""
    names = [recipe.name for recipe in findings.recipes_of("unstructured")]
    timed = [row for row in findings.results if row.recipe in names and _ratios(row)]
    if not timed:
        return None
    row = max(timed, key=lambda row: row.rate)
    speedup = findings.cost[row.recipe, row.rate].theoretical_speedup
    theory = f", while the theoretical speed-up is {TIMES.show(speedup)}" if speedup else ""
    return (
        f"Zeros alone: `{row.recipe}` at rate {row.rate:g} takes {span([ratio.mean for ratio in _ratios(row)])} of the "
        f"unpruned network's time{theory}."
    )


def fastest(findings: Findings) -> str | None:
    """The fastest measured network, in how many settings it is faster, and its accuracy."""
    timed = [(row, one) for row in findings.results for one in row.latencies if one.ratio and one.ratio.known]
    faster = [(row, one) for row, one in timed if one.ratio and one.ratio.is_below(1)]
    if not faster:
        return "No pruned network was measurably faster than the unpruned one." if timed else None
    best, one = min(faster, key=lambda pair: pair[1].ratio.mean if pair[1].ratio else 1)
    count = sum(ratio.is_below(1) for ratio in _ratios(best))
    size = f" Its {best.file_format} file has {percent(best.size_ratio)} of the bytes." if best.size_ratio else ""
    return (
        f"The fastest is `{best.recipe}` at rate {best.rate:g}: {times(one.ratio)} of the unpruned network's time "
        f"({one.setting}), faster in {count} of {counted(len(best.latencies), 'measured setting')}, at "
        f"{accuracy(best.accuracy)} ({points(best.difference)}).{size}"
    )


def ends_lower(findings: Findings) -> str | None:
    """Which recipes lose accuracy at their highest rate, and of which the seeds do not tell."""
    tops = {row.recipe: row for row in findings.results if row.recipe is not None and row.difference}
    lower = [_with_points(row) for row in tops.values() if row.reading == "lower"]
    same = [_with_points(row) for row in tops.values() if row.reading == "no difference shown"]
    parts = [f"{listed(lower)} end{'s' if len(lower) == 1 else ''} below the unpruned network"] if lower else []
    parts += [f"for {listed(same)} the seeds show no difference to it"] if same and lower else []
    parts += [f"the seeds show no difference to the unpruned network for {listed(same)}"] if same and not lower else []
    return f"At the highest rate {'; '.join(parts)} (means; 95 % intervals paired by seed)." if parts else None


def _with_points(row: SummaryInfo) -> str:
    return f"`{row.recipe}` ({POINTS.show(row.difference.mean) if row.difference else ''} points)"


def _ratios(row: SummaryInfo) -> list[Interval]:
    return [one.ratio for one in row.latencies if one.ratio]


def _keeps(row: SummaryInfo) -> bool:
    difference = row.difference
    return (
        difference is not None and difference.known and not difference.is_below(0) and difference.mean >= -KEEPS_WITHIN
    )


def _pattern(findings: Findings, name: str | None) -> str | None:
    return next((recipe.pattern for recipe in findings.recipes if recipe.name == name), None)


SENTENCES: tuple[Callable[[Findings], str | None], ...] = (
    progress,
    cheapest_without_loss,
    ends_lower,
    collapse,
    fastest,
    unstructured_time,
)
