"""Finding the rate that reaches a latency: networks pruned by way of trial, each timed beside the unpruned one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prunus.graph.copying import fresh_copy
from prunus.measure.budget import HIGHEST_RATE, LATE, find_rate
from prunus.measure.stopwatch import Place, Stopwatch, Timed
from prunus.processor import processor_name
from prunus.prune import ALLOCATIONS, PATTERNS, apply_masks
from prunus.prune.allocations import Allocation
from prunus.prune.criteria.magnitude import Magnitude
from prunus.prune.criteria.scoring import unit_scores
from prunus.spec import Recipe, make
from prunus.spec.part import Frozen
from prunus.surgery import Surgeon, plan
from prunus.train.anatomy import Anatomy
from prunus.train.prices import masks_of

Tell = Callable[[str], None]
CORRECTIONS = 1
"""How often the search goes on because a network, timed again and longer, turns out to be too slow or too fast."""
FAR_OFF = 0.1
"""Below the latency asked for by more than this share of it, a network is too fast."""


class Found(Frozen):
    """The rate that was found for a latency, and what was measured at it, on which machine."""

    rate: float
    asked_ms: float
    timed: Timed
    place: Place
    machine: str
    tried: int

    @property
    def how(self) -> str:
        """How and where it was measured, in words."""
        one = self.timed
        return (
            f"measured: median of {one.rounds} runs, 95th percentile {one.p95_ms:.4g} ms, unpruned "
            f"{one.unpruned_p50_ms:.4g} ms; {self.place}; {self.machine}"
        )

    def __str__(self) -> str:
        return f"asked for latency_ms = {self.asked_ms:g}, achieved {self.timed.p50_ms:.4g} ({self.how})"


def _confirmed(
    find: Callable[[], float], time: Callable[[float], Timed], known: dict[float, float], wanted: float
) -> tuple[float, Timed]:
    """What is found is timed again and longer; where that is another latency, the search goes on with it."""
    timed: dict[float, Timed] = {}
    for _ in range(CORRECTIONS + 1):
        rate = find()
        timed[rate] = timed.get(rate) or time(rate)
        known[rate] = timed[rate].p50_ms
        if wanted * (1 - FAR_OFF) <= known[rate] <= wanted * (1 + LATE):
            break
    in_time = {rate: one for rate, one in timed.items() if one.p50_ms <= wanted * (1 + LATE)}
    if in_time:
        return max(in_time.items(), key=lambda one: one[1].p50_ms)
    return min(timed.items(), key=lambda one: one[1].p50_ms)


def place_of(allocation: Allocation) -> Place:
    """Where the allocation's latency is to be measured."""
    return Place(runtime=allocation.runtime, batch_size=allocation.batch_size, threads=allocation.threads)


def find_latency(
    unpruned: nn.Module,
    example_inputs: Any,
    allocation: Allocation,
    pruned_at: Callable[[float], nn.Module],
    tell: Tell,
) -> Found:
    """The lowest rate found at which one run takes at most `allocation.latency_ms`; some ten networks are timed.

    pruned_at: rate -> the pruned network as it would be deployed, on the CPU. tell: is told of every measurement.
    Raises `InputError` for a latency that the unpruned network has, or that none of them reaches, with the nearest;
    for a runtime that is unknown; `MissingError` for one that is not there.
    """
    wanted = float(allocation.latency_ms or 0)
    known: dict[float, float] = {}
    with Stopwatch(unpruned, example_inputs, place_of(allocation)) as watch:

        def latency_of(rate: float) -> float:
            if rate not in known:
                known[rate] = watch.steady_ms(pruned_at(rate))
                tell(f"latency_ms = {wanted:g} on {watch.place}: {known[rate]:.4g} ms at a rate of {rate:.4g}")
            return known[rate]

        fastest = latency_of(HIGHEST_RATE)
        rate, timed = _confirmed(
            lambda: find_rate(latency_of, watch.unpruned_ms, wanted, fastest),
            lambda rate: watch.time(pruned_at(rate)),
            known,
            wanted,
        )
    tell(f"latency_ms = {wanted:g} on {watch.place}: {timed.p50_ms:.4g} ms in the end, at a rate of {rate:.4g}")
    return Found(
        rate=rate,
        asked_ms=wanted,
        timed=timed,
        place=watch.place,
        machine=processor_name(),
        tried=len(known),
    )


def find_recipe_rate(
    model: nn.Module, recipe: Recipe, anatomy: Anatomy, example_inputs: Any, tell: Tell = lambda _: None
) -> Found:
    """The rate at which a recipe's network has its latency; the model, whatever its weights are, stays as it is.

    Units go by their magnitude: the recipe's own criterion may need a training, and a latency hardly depends on which.
    Where channels go for good the cut network is timed, else the masked one.
    """
    original = fresh_copy(model).cpu().eval()
    allocation, pattern = make(ALLOCATIONS, recipe.allocation), make(PATTERNS, recipe.pattern)
    sets, inputs = anatomy.unit_sets, _on_cpu(example_inputs)
    scores = [unit_scores(Magnitude(), original, one, {}, torch.Generator()) for one in sets]
    groups = [one.group for one in sets if one.group is not None]
    surgeon = anatomy.surgeon
    if groups and recipe.permanence == "permanent":
        surgeon = surgeon or Surgeon(original, inputs)

    def pruned_at(rate: float) -> nn.Module:
        pattern.check_rate(rate)
        counts = [one.rounded(count) for one, count in zip(sets, allocation.counts(sets, scores, rate), strict=True)]
        gone = {one.name: one.lowest(score, count) for one, score, count in zip(sets, scores, counts, strict=True)}
        if surgeon is not None:
            kept = plan(groups, {name: ~units for name, units in gone.items()})
            return surgeon.shrink(original, kept).model
        masked = fresh_copy(original)
        apply_masks(masked, masks_of(sets, gone))
        return masked

    return find_latency(original, inputs, allocation, pruned_at, tell)


def _on_cpu(inputs: Any) -> Any:
    return inputs.cpu() if isinstance(inputs, Tensor) else inputs


def latency_wanted(recipe: Recipe) -> Allocation | None:
    """The recipe's allocation, if it is to come to a latency whose rate is not found yet."""
    allocation = make(ALLOCATIONS, recipe.allocation)
    return allocation if allocation.latency_ms is not None and allocation.found_rate is None else None


def at_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with the rate found."""
    part = recipe.allocation
    settled = part.model_copy(update={"settings": {**part.settings, "found_rate": rate}})
    return recipe.model_copy(update={"allocation": settled})
