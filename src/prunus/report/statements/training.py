"""Statements 1 to 3: how accuracy comes about while training, and where it ends."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from prunus.report.analysis.curves import CurveInfo
from prunus.report.analysis.losses import LossInfo, paired_difference
from prunus.report.analysis.recipes import RecipeTraits
from prunus.report.findings import Findings
from prunus.report.statements.statement import Evidence, Statement, decided, unmeasured
from prunus.report.words import accuracy, joined, percent, points, span

START_LOW = 0.5
CONVERGED_SHARE = 0.99
CONVERGED_BY = 15
LEAST_EPOCHS = 20
TOLERATED_LOSS = 0.01
TOLERATED_RISE = 0.005
HIGH_RATE = 0.6
COLLAPSE = 0.1


def start_and_converge(findings: Findings) -> tuple[Evidence, ...]:
    """Statement 1."""
    epochs = findings.rows.study.training.epochs
    if epochs < LEAST_EPOCHS:
        return unmeasured(
            f"The study trains for {epochs} epochs; convergence needs at least {LEAST_EPOCHS} to be seen."
        )
    infos = [info for info in findings.curves if info.recipe.family == "unstructured"]
    found: list[Evidence] = []
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
        found.append(Evidence(info.recipe.name, text, decided(holds)))
    return tuple(found) or unmeasured("No finished trial of an unstructured recipe.")


def end_near_unpruned(findings: Findings) -> tuple[Evidence, ...]:
    """Statement 2."""
    found: list[Evidence] = []
    for recipe in findings.recipes_of("unstructured"):
        losses = [loss for loss in findings.losses_of(recipe.name) if loss.difference is not None]
        if not losses:
            continue
        if any(loss.difference is None or not loss.difference.known for loss in losses):
            found += unmeasured("one seed has no interval, so a loss can be neither shown nor excluded.", recipe.name)
            continue
        worst = min(losses, key=lambda loss: loss.difference.mean if loss.difference else 0)
        ends_near = not any(loss.is_lower for loss in losses) and _mean(worst) >= -TOLERATED_LOSS
        low = [epochs for loss in losses if loss.rate < HIGH_RATE for epochs in _epochs(findings, loss)]
        high = [epochs for loss in losses if loss.rate >= HIGH_RATE for epochs in _epochs(findings, loss)]
        text = f"the largest difference is {points(worst.difference)}, at rate {worst.rate:g}"
        slower = True
        if low and high:
            slower = float(np.mean(high)) > float(np.mean(low))
            text += (
                f"; mean epochs to 99 % of the unpruned final accuracy: {np.mean(low):.1f} at rates below "
                f"{HIGH_RATE:g}, {np.mean(high):.1f} from {HIGH_RATE:g} on"
            )
        parts = (
            f" (no significant loss: {_yes(ends_near)}; slower: {_yes(slower) if low and high else 'not measured'})."
        )
        found.append(Evidence(recipe.name, text + parts, decided(ends_near and slower)))
    return tuple(found) or unmeasured("No unstructured recipe has finished trials beside unpruned ones.")


def trade_off(findings: Findings) -> tuple[Evidence, ...]:
    """Statement 3."""
    found: list[Evidence] = []
    for recipe in findings.recipes_of("structured"):
        losses = [loss for loss in findings.losses_of(recipe.name) if loss.difference is not None]
        control = findings.loss.get((None, 0.0))
        if not losses or control is None or control.final is None:
            continue
        if not any(loss.difference and loss.difference.known for loss in losses):
            found += unmeasured("one seed has no interval, so a loss can be neither shown nor excluded.", recipe.name)
            continue
        found.append(_trade_off(findings, recipe, control, losses))
    return tuple(found) or unmeasured("No structured recipe has finished trials beside unpruned ones.")


def _trade_off(findings: Findings, recipe: RecipeTraits, control: LossInfo, losses: list[LossInfo]) -> Evidence:
    top = losses[-1]
    means = [loss.final.mean for loss in (control, *losses) if loss.final]
    falls = any(loss.is_lower for loss in losses) and all(
        after <= before + TOLERATED_RISE for before, after in pairwise(means)
    )
    unpruned, pruned = _epochs(findings, control), _epochs(findings, top)
    slower = bool(unpruned and pruned) and float(np.mean(pruned)) > float(np.mean(unpruned))
    way = f" ({recipe.way})" if recipe.way else ""
    bops = findings.cost[recipe.name, top.rate].effective_bops_share
    cost = f" with {percent(bops)} of the BOPs" if bops is not None else ""
    reached = _reached(top)
    text = (
        f"accuracy {', '.join(accuracy(mean) for mean in means)} at rates 0 to {top.rate:g}{way}; "
        f"{points(top.difference)} at {top.rate:g}{cost}; {_lower(losses)}; {reached} "
        f"(falls: {_yes(falls)}; slower: {_yes(slower)})."
    )
    return Evidence(recipe.name, text, decided(falls and slower))


def output_layer(findings: Findings) -> tuple[Evidence, ...]:
    """The question behind statement 3: what becomes of the collapse when the output layer is left alone?"""
    structured = findings.recipes_of("structured")
    pruned = sorted((r for r in structured if r.output_pruned is True), key=lambda r: not r.is_reference_way)
    protected = [recipe for recipe in structured if recipe.output_pruned is False]
    if not pruned or not protected:
        return unmeasured("It needs a structured recipe that prunes the output layer and one that leaves it alone.")
    found = [evidence for recipe in protected if (evidence := _beside(findings, recipe, pruned[0])) is not None]
    return tuple(found) or unmeasured("The two kinds of recipe have no finished rate in common.")


def _beside(findings: Findings, recipe: RecipeTraits, other: RecipeTraits) -> Evidence | None:
    own = {loss.rate: loss for loss in findings.losses_of(recipe.name) if loss.difference}
    others = {loss.rate: loss for loss in findings.losses_of(other.name) if loss.difference}
    if not own.keys() & others.keys():
        return None
    rate = max(own.keys() & others.keys())
    gain = paired_difference(findings.grid, findings.cell[recipe.name, rate], findings.cell[other.name, rate])
    kept, lost = own[rate], others[rate]
    text = (
        f"at rate {rate:g} it ends at {accuracy(kept.final)} ({points(kept.difference)} to unpruned), "
        f"`{other.name}` at {accuracy(lost.final)} ({points(lost.difference)}); "
        f"paired by seed that is {points(gain)}."
    )
    if gain is None or not gain.known:
        return Evidence(recipe.name, f"{text} One seed has no interval.", "not measured")
    if _mean(lost) > -COLLAPSE:
        return Evidence(recipe.name, f"{text} Nothing collapsed.", "not measured")
    holds = gain.is_above(0) and _mean(kept) > _mean(lost) / 2
    return Evidence(recipe.name, text, decided(holds))


def _lower(losses: list[LossInfo]) -> str:
    rates = [f"{loss.rate:g}" for loss in losses if loss.is_lower]
    return f"whole interval below 0 at {joined(rates)}" if rates else "no whole interval below 0"


def _mean(loss: LossInfo) -> float:
    return loss.difference.mean if loss.difference else math.nan


def _converged(curve: CurveInfo) -> float:
    final = curve.final.mean if curve.final else math.inf
    reached = np.flatnonzero(curve.mean >= CONVERGED_SHARE * final)
    return float(curve.epochs[reached[0]]) if reached.size else math.inf


def _epochs(findings: Findings, loss: LossInfo) -> list[int]:
    """Epochs to 99 % of the unpruned final accuracy; a trial that never got there counts as one epoch more than all."""
    beyond = findings.rows.study.training.epochs + 1
    return [beyond if epochs is None else epochs for epochs in loss.epochs_to_reach]


def _reached(loss: LossInfo) -> str:
    missed = sum(epochs is None for epochs in loss.epochs_to_reach)
    if missed:
        return f"99 % of the unpruned final accuracy is not reached in {missed} of {len(loss.epochs_to_reach)} seeds"
    epochs = [epochs for epochs in loss.epochs_to_reach if epochs is not None]
    return (
        f"99 % of the unpruned final accuracy after {span(epochs, '{:.0f}')} epochs" if epochs else "no epochs stored"
    )


def _epochs_span(values: list[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    return span(known, "{:.0f}") if len(known) == len(values) else joined(["unknown"])


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


TRAINING = (
    Statement(
        "1",
        "All unstructured rates start low (about 40 % after one epoch) and converge after about 10 epochs.",
        f"Supported when, of every unstructured recipe, every rate's mean accuracy is at most {START_LOW:.0%} "
        f"after one epoch and its mean curve reaches {CONVERGED_SHARE:.0%} of its own end within {CONVERGED_BY} "
        f"epochs. Not measured below {LEAST_EPOCHS} epochs.",
        "every",
        start_and_converge,
    ),
    Statement(
        "2",
        "All unstructured rates end near the unpruned accuracy; 0.6 and 0.8 are slightly slower to converge, with no "
        "significant loss at the end.",
        "Supported when, of every unstructured recipe, no rate's difference to unpruned has its whole 95 % "
        f"interval below 0, none loses more than {100 * TOLERATED_LOSS:g} point on average, and rates from "
        f"{HIGH_RATE:g} on need more epochs on average than lower ones to reach 99 % of the unpruned final "
        "accuracy. Not measured with one seed.",
        "every",
        end_near_unpruned,
    ),
    Statement(
        "3",
        "Structured: the higher the rate, the slower the convergence and the lower the final accuracy: a clear "
        "trade-off between BOPs and accuracy.",
        "Supported when, of every structured recipe, some rate's difference to unpruned has its whole 95 % "
        f"interval below 0, mean accuracy never rises by more than {100 * TOLERATED_RISE:g} points from one rate "
        "to the next, and the highest rate needs more epochs than unpruned to reach 99 % of the unpruned final "
        "accuracy. Not measured with one seed.",
        "every",
        trade_off,
    ),
    Statement(
        "3, asked again",
        "The collapse under statement 3 comes from pruning the output layer: it goes away once that layer is left "
        "alone.",
        "For every structured recipe that leaves the output layer alone, beside the one that prunes it (the "
        "reference experiment's way if there is one), at the highest rate both have. Supported when it loses less "
        "than half as much and the difference between the two, paired by seed, has its whole 95 % interval above "
        f"0. Not measured with one seed, or when pruning the output layer costs less than {100 * COLLAPSE:g} "
        "points.",
        "every",
        output_layer,
    ),
)
