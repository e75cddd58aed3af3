"""Statements 1 to 3: how the metric comes about while training, and where it ends."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from prunus.report.comparisons import Comparison, compared, paired_difference
from prunus.report.costs import cost_of
from prunus.report.curves import CurveInfo, curves_info
from prunus.report.findings import Findings
from prunus.report.losses import LossInfo, loss_of, losses_of
from prunus.report.metric import StudyMetric
from prunus.report.recipes import RecipeTraits
from prunus.report.statements.statement import Statement, StatementEvidence, Verdict, decided, shown, unmeasured
from prunus.report.words import joined, percent, span

START_LOW = 0.5
CONVERGED_SHARE = 0.99
CONVERGED_BY = 15
LEAST_EPOCHS = 20
HIGH_RATE = 0.6
COLLAPSE = 0.1


def _start_and_converge(findings: Findings) -> tuple[StatementEvidence, ...]:
    epochs = findings.rows.study.training.epochs
    if epochs < LEAST_EPOCHS:
        return unmeasured(
            f"The study trains for {epochs} epochs; convergence needs at least {LEAST_EPOCHS} to be seen."
        )
    infos = [info for info in curves_info(findings) if info.recipe.family == "unstructured"]
    found: list[StatementEvidence] = []
    for info in infos:
        curves = [curve for curve in info.curves if curve.finished and curve.final is not None]
        starts = [start.mean for curve in curves if (start := curve.at(1)) is not None]
        if not starts or all(curve.rate == 0 for curve in curves):
            continue
        ends = [_converged(curve) for curve in curves]
        text = (
            f"after one epoch {span([100 * start for start in starts], '{:.1f}')} %; "
            f"99 % of its own final accuracy is reached after {_epochs_span(ends)} epochs."
        )
        holds = max(starts) <= START_LOW and max(ends) <= CONVERGED_BY
        found.append(StatementEvidence(info.recipe.name, text, decided(holds)))
    return tuple(found) or unmeasured("No finished trial of an unstructured recipe.")


def _end_near_unpruned(findings: Findings) -> tuple[StatementEvidence, ...]:
    found: list[StatementEvidence] = []
    metric = findings.metric
    for recipe in findings.recipes_of("unstructured"):
        losses = [loss for loss in losses_of(findings, recipe.name) if loss.difference is not None]
        if not losses:
            continue
        if any(loss.difference is None or not loss.difference.known for loss in losses):
            found += unmeasured("one seed has no interval, so a loss can be neither shown nor excluded.", recipe.name)
            continue
        worst = min(losses, key=lambda loss: metric.gain(loss.difference.mean) if loss.difference else 0)
        near = shown(holds=all(loss.keeps for loss in losses), fails=any(loss.is_worse for loss in losses))
        low = [epochs for loss in losses if loss.rate < HIGH_RATE for epochs in _epochs(findings, loss)]
        high = [epochs for loss in losses if loss.rate >= HIGH_RATE for epochs in _epochs(findings, loss)]
        text = f"the largest difference is {metric.difference(worst.difference)}, at rate {worst.rate:g}"
        slower = True
        if low and high:
            slower = float(np.mean(high)) > float(np.mean(low))
            text += (
                f"; mean epochs to {metric.nearly_unpruned}: {np.mean(low):.1f} at rates below "
                f"{HIGH_RATE:g}, {np.mean(high):.1f} from {HIGH_RATE:g} on"
            )
        parts = (
            f"; {_kept(losses, metric)} (no {metric.loss}: {_yes(near)}; "
            f"slower: {_yes(decided(slower)) if low and high else 'not measured'})."
        )
        found.append(StatementEvidence(recipe.name, text + parts, near if slower else "not supported"))
    return tuple(found) or unmeasured("No unstructured recipe has finished trials beside unpruned ones.")


def _trade_off(findings: Findings) -> tuple[StatementEvidence, ...]:
    found: list[StatementEvidence] = []
    for recipe in findings.recipes_of("structured"):
        losses = [loss for loss in losses_of(findings, recipe.name) if loss.difference is not None]
        control = loss_of(findings).get((None, 0.0))
        if not losses or control is None or control.final is None:
            continue
        if not any(loss.difference and loss.difference.known for loss in losses):
            found += unmeasured("one seed has no interval, so a loss can be neither shown nor excluded.", recipe.name)
            continue
        found.append(_trade_off_of(findings, recipe, control, losses))
    return tuple(found) or unmeasured("No structured recipe has finished trials beside unpruned ones.")


def _trade_off_of(
    findings: Findings, recipe: RecipeTraits, control: LossInfo, losses: list[LossInfo]
) -> StatementEvidence:
    top, metric = losses[-1], findings.metric
    means = [loss.final.mean for loss in (control, *losses) if loss.final]
    lost = shown(holds=any(loss.is_worse for loss in losses), fails=all(loss.keeps for loss in losses))
    tolerated = metric.half_a_point
    steady = all(metric.gain(after) <= metric.gain(before) + tolerated for before, after in pairwise(means))
    falls = lost if steady else "not supported"
    unpruned, pruned = _epochs(findings, control), _epochs(findings, top)
    slower = bool(unpruned and pruned) and float(np.mean(pruned)) > float(np.mean(unpruned))
    way = f" ({recipe.way})" if recipe.way else ""
    bops = cost_of(findings)[recipe.name, top.rate].effective_bops_share
    cost = f" with {percent(bops)} of the BOPs" if bops is not None else ""
    reached = _reached(top, metric)
    text = (
        f"{metric.name} {', '.join(metric.value(mean) for mean in means)} at rates 0 to {top.rate:g}{way}; "
        f"{metric.difference(top.difference)} at {top.rate:g}{cost}; {_worse(losses, metric)}; {reached} "
        f"({metric.words['down']}: {_yes(falls)}; slower: {_yes(decided(slower))})."
    )
    return StatementEvidence(recipe.name, text, falls if slower else "not supported")


def _output_layer(findings: Findings) -> tuple[StatementEvidence, ...]:
    """The question behind statement 3: what becomes of the collapse when the output layer is left alone?"""
    structured = findings.recipes_of("structured")
    pruned = sorted((r for r in structured if r.output_pruned is True), key=lambda r: not r.is_reference_way)
    protected = [recipe for recipe in structured if recipe.output_pruned is False]
    if not pruned or not protected:
        return unmeasured("It needs a structured recipe that prunes the output layer and one that leaves it alone.")
    pairs = [pair for recipe in protected if (pair := _at_the_highest_rate(findings, recipe, pruned[0])) is not None]
    cells = [(findings.cell[kept.recipe, kept.rate], findings.cell[lost.recipe, lost.rate]) for kept, lost in pairs]
    gains = compared([paired_difference(findings, *pair) for pair in cells])
    found = [_beside(*pair, gain, findings.metric) for pair, gain in zip(pairs, gains, strict=True)]
    return tuple(found) or unmeasured("The two kinds of recipe have no finished rate in common.")


def _at_the_highest_rate(
    findings: Findings, recipe: RecipeTraits, other: RecipeTraits
) -> tuple[LossInfo, LossInfo] | None:
    own = {loss.rate: loss for loss in losses_of(findings, recipe.name) if loss.difference}
    others = {loss.rate: loss for loss in losses_of(findings, other.name) if loss.difference}
    rate = max(own.keys() & others.keys(), default=None)
    return None if rate is None else (own[rate], others[rate])


def _beside(kept: LossInfo, lost: LossInfo, comparison: Comparison, metric: StudyMetric) -> StatementEvidence:
    gain = comparison.difference
    text = (
        f"at rate {kept.rate:g} it ends at {metric.value(kept.final)} ({metric.difference(kept.difference)} to "
        f"unpruned), `{lost.recipe}` at {metric.value(lost.final)} ({metric.difference(lost.difference)}); "
        f"paired by seed that is {metric.difference(gain)}."
    )
    if gain is None or not gain.known:
        return StatementEvidence(kept.recipe, f"{text} One seed has no interval.", "not measured")
    if _mean(lost) > -COLLAPSE:
        return StatementEvidence(kept.recipe, f"{text} Nothing collapsed.", "not measured")
    if not _mean(kept) > _mean(lost) / 2:
        return StatementEvidence(kept.recipe, text, "not supported")
    return StatementEvidence(
        kept.recipe, text, shown(holds=comparison.reading == "higher", fails=comparison.reading == "lower")
    )


def _worse(losses: list[LossInfo], metric: StudyMetric) -> str:
    rates = [f"{loss.rate:g}" for loss in losses if loss.is_worse]
    return f"a {metric.loss} is shown at {joined(rates)}" if rates else f"no {metric.loss} is shown"


def _kept(losses: list[LossInfo], metric: StudyMetric) -> str:
    rates = [f"{loss.rate:g}" for loss in losses if loss.keeps]
    where = f"at {joined(rates)}" if rates else "at no rate"
    lost = metric.lost.rsplit(maxsplit=1)[-1]
    return f"{_worse(losses, metric)}; {where} it is shown that no more than {metric.within} is {lost}"


def _mean(loss: LossInfo) -> float:
    return loss.difference.mean if loss.difference else math.nan


def _converged(curve: CurveInfo) -> float:
    final = curve.final.mean if curve.final else math.inf
    reached = np.flatnonzero(curve.mean >= CONVERGED_SHARE * final)
    return float(curve.epochs[reached[0]]) if reached.size else math.inf


def _epochs(findings: Findings, loss: LossInfo) -> list[int]:
    """Epochs until a trial is nearly where the unpruned one ends; one that never is counts one more than there are."""
    beyond = findings.rows.study.training.epochs + 1
    return [beyond if epochs is None else epochs for epochs in loss.epochs_to_reach]


def _reached(loss: LossInfo, metric: StudyMetric) -> str:
    missed = sum(epochs is None for epochs in loss.epochs_to_reach)
    if missed:
        return f"{metric.nearly_unpruned} is not reached in {missed} of {len(loss.epochs_to_reach)} seeds"
    epochs = [epochs for epochs in loss.epochs_to_reach if epochs is not None]
    return f"{metric.nearly_unpruned} after {span(epochs, '{:.0f}')} epochs" if epochs else "no epochs stored"


def _epochs_span(values: list[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    return span(known, "{:.0f}") if len(known) == len(values) else joined(["unknown"])


def _yes(verdict: Verdict) -> str:
    return {"supported": "yes", "not supported": "no"}.get(verdict, verdict)


TRAINING = (
    Statement(
        "1",
        "All unstructured rates start low (about 40 % after one epoch) and converge after about 10 epochs.",
        f"Supported when, of every unstructured recipe, every rate's mean accuracy is at most {START_LOW:.0%} "
        f"after one epoch and its mean curve reaches {CONVERGED_SHARE:.0%} of its own end within {CONVERGED_BY} "
        f"epochs. Not measured below {LEAST_EPOCHS} epochs.",
        "every",
        _start_and_converge,
        of_accuracy=True,
    ),
    Statement(
        "2",
        "All unstructured rates end near the unpruned {name}; 0.6 and 0.8 are slightly slower to converge, with no "
        "significant {loss} at the end.",
        "Supported when, of every unstructured recipe, every rate is shown to be equivalent to unpruned within the "
        f"study's margin, or {{better}}, and rates from {HIGH_RATE:g} on need more epochs on average than lower ones "
        "to reach {nearly_unpruned}. Not supported when a rate is shown to be {worse}; not shown when "
        "the seeds tell neither. Readings are those of the table of {lost}, corrected for their number. Not "
        "measured with one seed.",
        "every",
        _end_near_unpruned,
    ),
    Statement(
        "3",
        "Structured: the higher the rate, the slower the convergence and the {worse} the final {name}: a clear "
        "trade-off between BOPs and {name}.",
        "Supported when, of every structured recipe, some rate is shown to be {worse} than unpruned (corrected for "
        "the number of cells), mean {name} never {up} by more than {half_a_point} from one rate "
        "to the next, and the highest rate needs more epochs than unpruned to reach {nearly_unpruned}. "
        "Not shown when the seeds tell of no rate that it is {worse}, and not of all that they are not. "
        "Not measured with one seed.",
        "every",
        _trade_off,
    ),
    Statement(
        "3, asked again",
        "The collapse under statement 3 comes from pruning the output layer: it goes away once that layer is left "
        "alone.",
        "For every structured recipe that leaves the output layer alone, beside the one that prunes it (the "
        "reference experiment's way if there is one), at the highest rate both have. Supported when it loses less "
        "than half as much and is shown to be higher, paired by seed and corrected for the number of such recipes; not "
        "shown when the seeds do not tell. Not measured with one seed, or when pruning the output layer costs less "
        f"than {100 * COLLAPSE:g} points.",
        "every",
        _output_layer,
        of_accuracy=True,
    ),
)
