"""What the study found, in a few sentences made from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prunus.report.bits import cheapest_way, ways_info
from prunus.report.classes import OneClassInfo, cut_off_info, is_unbalanced, largest_class, one_class_info
from prunus.report.collapses import collapses_info, not_finite_info
from prunus.report.costs import cost_of
from prunus.report.failures import failures_info, trial_label
from prunus.report.findings import Findings
from prunus.report.forms import TIMES
from prunus.report.latencies import comparisons_of
from prunus.report.losses import loss_of
from prunus.report.names import visible
from prunus.report.provenance import provenance_info
from prunus.report.statistics import Interval
from prunus.report.summary import SummaryInfo, results_info, summary_info
from prunus.report.words import counted, listed, percent, span, times


def findings_of(findings: Findings) -> tuple[str, ...]:
    """Sentences of what else was found, the most telling first; what the study cannot say is left out."""
    return tuple(sentence for make in FINDINGS if (sentence := make(findings)))


def warnings_of(findings: Findings) -> tuple[str, ...]:
    """What a reader must know before any number is believed."""
    lost = tuple(f"Something of this study is missing: {one.sentence}" for one in failures_info(findings).lost)
    return (*lost, *(sentence for make in WARNINGS if (sentence := make(findings))))


def incomplete(findings: Findings) -> str | None:
    """How many trials have no result."""
    failures, parts = failures_info(findings), []
    if failures.failed:
        parts.append(f"{counted(len(failures.failed), 'trial')} failed")
    if failures.unfinished:
        left = len(failures.unfinished)
        parts.append(f"{counted(left, 'trial')} {'has' if left == 1 else 'have'} no result yet")
    if not parts:
        return None
    return f"Of {failures.planned} trials {' and '.join(parts)} (see Diagnoses); this page is made of the others."


def progress(findings: Findings) -> str:
    """How much of the study is there."""
    failures, provenance = failures_info(findings), provenance_info(findings)
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


def as_given(findings: Findings) -> str | None:
    """What trained weights had to begin with, and after more training without pruning: two different controls."""
    series = [findings.series[one.trial] for one in findings.control.finished if one.trial in findings.series]
    first = next((float(one.metric[one.epochs == 0][0]) for one in series if (one.epochs == 0).any()), None)
    if first is None:
        return None
    metric, after = findings.metric, counted(provenance_info(findings).epochs, "epoch")
    given, trained_on = metric.named_value(first), metric.value(findings.metric_of(findings.control))
    return f"The network as it was given has {given}; trained on for {after} without pruning, {trained_on}."


def _recipes(findings: Findings) -> str:
    """`5 recipes and 4 controls`."""
    recipes, controls = len(findings.judged), len(findings.recipes) - len(findings.judged)
    return counted(recipes, "recipe") + (f" and {counted(controls, 'control')}" if controls else "")


def collapse(findings: Findings) -> str | None:
    """What pruning the output layer does to accuracy."""
    if not findings.metric.is_accuracy:
        return None
    judged = {None, *(recipe.name for recipe in findings.judged)}
    cut = [
        info
        for info in cut_off_info(findings)
        if info.recipe in judged and len(info.classes) > 1 and info.ceiling is not None
    ]
    if not cut:
        return None
    worst = min(cut, key=lambda info: (info.ceiling or 1, info.accuracy or 0))
    name = worst.recipe if worst.recipe is not None else "unpruned"
    text = (
        f"`{name}` at rate {worst.rate:g} empties {len(worst.classes)} of "
        f"{counted(worst.of_classes, 'output row')}: no more than {percent(worst.ceiling)} can be reached whatever "
        f"the other layers do, and {percent(worst.accuracy)} is"
    )
    with_output_kept = next(
        (
            recipe
            for recipe in findings.judged
            if recipe.output_pruned is False
            and recipe.pattern == _pattern(findings, worst.recipe)
            and (loss := loss_of(findings).get((recipe.name, worst.rate))) is not None
            and loss.final is not None
        ),
        None,
    )
    if with_output_kept is not None:
        final = findings.metric.value(loss_of(findings)[with_output_kept.name, worst.rate].final)
        text += f"; with the output layer left alone, `{with_output_kept.name}` ends at {final}"
    return text + "."


def one_class_alone(findings: Findings) -> str | None:
    """Which networks predict one class alone, however good their accuracy looks."""
    if not one_class_info(findings):
        return None
    cells: dict[tuple[str | None, float], list[OneClassInfo]] = {}
    for info in one_class_info(findings):
        cells.setdefault((info.recipe, info.rate), []).append(info)
    found = []
    for (recipe, rate), infos in cells.items():
        first = infos[0]
        name = f"`{recipe}` at rate {rate:g}" if recipe is not None else "the unpruned network"
        found.append(
            f"{name} in {len(infos)} of {counted(len(findings.cell[recipe, rate].finished), 'run')} (such as "
            f"`{visible(first.predicted, 60)}`: accuracy {percent(first.accuracy)}, balanced {percent(first.balanced)})"
        )
    return f"One class alone is predicted, whatever the input, by {listed(found)}."


def collapsed_runs(findings: Findings) -> str | None:
    """Which runs are outliers: they are in the means, and are named here."""
    if not collapses_info(findings):
        return None
    metric = findings.metric
    runs = [
        f"{trial_label(one.recipe, one.rate, one.seed)} ({metric.named_value(one.metric)}, other seeds "
        f"{metric.value(one.others)})"
        for one in collapses_info(findings)
    ]
    return (
        f"{counted(len(runs), 'run')} collapsed, far {metric.beyond} the other seeds: {listed(runs)}. Mean and "
        "interval of such a row mix two kinds of runs and describe neither."
    )


def not_finite_runs(findings: Findings) -> str | None:
    """Which runs ended without a number: they are in no mean, which flatters their rows."""
    if not not_finite_info(findings):
        return None
    runs = [trial_label(one.recipe, one.rate, one.seed) for one in not_finite_info(findings)]
    return (
        f"{counted(len(runs), 'run')} ended without a finite {findings.metric.name}: {listed(runs)}. "
        "Means and intervals are of the other runs, and flatter these rows."
    )


def unbalanced(findings: Findings) -> str | None:
    """That accuracy alone flatters on these data."""
    largest = largest_class(findings)
    if largest is None or not is_unbalanced(findings) or not findings.metric.is_accuracy:
        return None
    name, share = largest
    return (
        f"The test data is unbalanced: {percent(share)} of it is `{visible(name, 60)}`, so that much accuracy is had "
        "by predicting nothing else. Read balanced accuracy, the mean over classes, beside it."
    )


def unstructured_time(findings: Findings) -> str | None:
    """Whether zeros alone bought any time."""
    names = [recipe.name for recipe in findings.recipes_of("unstructured")]
    timed = [row for row in results_info(findings) if row.recipe in names and _ratios(row)]
    if not timed:
        return None
    row = max(timed, key=lambda row: row.rate)
    speedup = cost_of(findings)[row.recipe, row.rate].theoretical_speedup
    theory = f", while the theoretical speed-up is {TIMES.show(speedup)}" if speedup else ""
    return (
        f"Zeros alone: `{row.recipe}` at rate {row.rate:g} takes {span([ratio.mean for ratio in _ratios(row)])} of the "
        f"unpruned network's time{theory}."
    )


def fastest(findings: Findings) -> str | None:
    """The fastest measured network, in how many settings it is faster, and its metric."""
    timed = [(row, one) for row in results_info(findings) for one in row.latencies if one.ratio and one.ratio.known]
    faster = [(row, one) for row, one in timed if one.reading == "faster"]
    if not faster:
        return "No pruned network was measurably faster than the unpruned one." if timed else None
    best, one = min(faster, key=lambda pair: pair[1].ratio.mean if pair[1].ratio else 1)
    count = sum(one.reading == "faster" for one in best.latencies)
    size = f" Its {best.file_format} file has {percent(best.size_ratio)} of the bytes." if best.size_ratio else ""
    compared = counted(comparisons_of(findings), "comparison")
    return (
        f"The fastest is `{best.recipe}` at rate {best.rate:g}: {times(one.ratio)} of the unpruned network's time "
        f"({one.setting}), faster in {count} of {counted(len(best.latencies), 'measured setting')} (corrected for "
        f"{compared}), at "
        f"{findings.metric.named_value(best.metric)} ({findings.metric.difference(best.difference)}).{size}"
    )


def ends_lower(findings: Findings) -> str | None:
    """Which recipes are worse at their highest rate, and of which the seeds do not tell."""
    tops = {row.recipe: row for row in results_info(findings) if row.recipe is not None and row.difference}
    metric = findings.metric

    def named(rows: Iterable[SummaryInfo]) -> list[str]:
        return [f"`{row.recipe}` ({metric.mean_difference(row.difference)})" for row in rows]

    worse = named(row for row in tops.values() if row.reading == metric.worse)
    kept = named(row for row in tops.values() if _keeps(findings, row))
    open_ = named(row for row in tops.values() if row.reading == "not shown")
    verb = "ends" if len(worse) == 1 else "end"
    parts = [f"{listed(worse)} {verb} {metric.beyond} the unpruned network"] if worse else []
    parts += [f"{listed(kept)} {'is' if len(kept) == 1 else 'are'} shown to {metric.lose_no_more}"] if kept else []
    parts += (
        [f"for {listed(open_)} the seeds show neither a {metric.loss} nor that it is within {metric.within}"]
        if open_
        else []
    )
    if not parts:
        return None
    return f"At the highest rate {'; '.join(parts)} (means; paired by seed, corrected for the number of comparisons)."


def _keeps(findings: Findings, row: SummaryInfo) -> bool:
    """It is shown that no more than the margin is lost."""
    return row.reading in ("equivalent", findings.metric.better)


def _ratios(row: SummaryInfo) -> list[Interval]:
    return [one.ratio for one in row.latencies if one.ratio]


def _pattern(findings: Findings, name: str | None) -> str | None:
    return next((recipe.pattern for recipe in findings.recipes if recipe.name == name), None)


MANY_SEEDS = 20
"""From so many on, a collapse in one run of ten is seldom missed (12 %)."""


def few_seeds(findings: Findings) -> str | None:
    """What an interval of few seeds takes for granted; None where there are many."""
    seeds = max((row.metric.count for row in summary_info(findings) if row.metric), default=0)
    if seeds == 1:
        return "With one seed there is no interval: every difference on this page could be chance."
    if not 1 < seeds < MANY_SEEDS:
        return None
    return (
        f"An interval of {seeds} seeds takes for granted that runs scatter alike and none collapses: of a recipe that "
        f"collapses in one run of ten, {seeds} seeds see no collapse in {100 * 0.9**seeds:.0f} % of studies."
    )


def zeros_or_bits(findings: Findings) -> str | None:
    """Whether pruning, quantising or both took the fewest bit operations, where the study quantises."""
    return cheapest_way(findings) if ways_info(findings) else None


FINDINGS: tuple[Callable[[Findings], str | None], ...] = (
    zeros_or_bits,
    as_given,
    collapse,
    fastest,
    unstructured_time,
)

WARNINGS: tuple[Callable[[Findings], str | None], ...] = (
    incomplete,
    one_class_alone,
    collapsed_runs,
    not_finite_runs,
    unbalanced,
    few_seeds,
)
