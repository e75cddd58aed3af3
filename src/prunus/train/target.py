"""Finding the counts that reach a cost: so much of the parameters, MACs or bit operations left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunus.cost import NetworkCost, count_cost
from prunus.errors import InputError
from prunus.prune import Masks, UnitSet
from prunus.prune.allocations import Allocation
from prunus.prune.allocations.allocation import Counted

HALVINGS = 40
NEAR_ENOUGH = 1e-3
HIGHEST_RATE = 1 - 1e-6
WITHIN = 0.01
"""How far from the target, as a share of it, is still reached."""


@dataclass(frozen=True)
class Prices:
    """What a network costs, weight by weight.

    per_weight: parameter -> cost of each of its elements. rest: cost of all that no mask covers. total: of everything.
    """

    kind: Counted
    per_weight: Mapping[str, float]
    sizes: Mapping[str, int]
    total: float

    def left(self, masks: Masks) -> float:
        """The share of the cost that is left under masks."""
        gone = sum(
            (self.sizes[name] - int(mask.count_nonzero())) * self.per_weight.get(name, 0.0)
            for name, mask in masks.items()
        )
        return 1 - gone / self.total


def prices_of(model: nn.Module, example_inputs: Tensor, kind: Counted) -> Prices:
    """The prices of a network's parameters."""
    cost = count_cost(model, example_inputs)
    parameters = dict(model.named_parameters())
    sizes = {name: parameter.numel() for name, parameter in parameters.items()}
    if kind == "params":
        return Prices(kind, dict.fromkeys(parameters, 1.0), sizes, float(cost.parameters))
    return Prices(kind, dict(_per_weight(cost, kind, parameters)), sizes, float(getattr(cost, f"dense_{kind}")))


def _per_weight(cost: NetworkCost, kind: Counted, parameters: Mapping[str, nn.Parameter]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for layer in cost.layers:
        name = layer.layer if layer.layer in parameters else f"{layer.layer}.weight".lstrip(".")
        if layer.weights and name in parameters:
            found[name] = getattr(layer, f"dense_{kind}") / layer.weights
    return found


def masks_of(unit_sets: Sequence[UnitSet], gone: Mapping[str, Tensor]) -> Masks:
    """The masks of units that are gone; those of several sets on one parameter are laid over each other."""
    masks: Masks = {}
    for one in unit_sets:
        if one.name in gone:
            for name, spread in one.masked.items():
                mask = spread(~gone[one.name])
                masks[name] = masks[name] & mask if name in masks else mask
    return masks


def find_counts(
    prices: Prices, allocation: Allocation, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], left: float
) -> list[int]:
    """Counts whose cost comes nearest to the share `left`: the rate by halving, the last units set after set."""

    def share(counts: Sequence[int]) -> float:
        gone = {one.name: one.lowest(s, n) for one, s, n in zip(unit_sets, scores, counts, strict=True)}
        return prices.left(masks_of(unit_sets, gone))

    low, high = 0.0, HIGHEST_RATE
    fewer, more = (allocation.counts(unit_sets, scores, rate) for rate in (low, high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        counts = allocation.counts(unit_sets, scores, middle)
        reached = share(counts)
        if abs(reached - left) <= NEAR_ENOUGH * left:
            return counts
        if counts in (fewer, more) and high - low < 1e-9:
            break
        if reached > left:
            low, fewer = middle, counts
        else:
            high, more = middle, counts
    best = _between(fewer, more, left, share)
    return _one_by_one(best, unit_sets, left, share)


def _between(fewer: list[int], more: list[int], left: float, share: Callable[[Sequence[int]], float]) -> list[int]:
    """From too few to too many units, set by set and within the last set by halving; of all seen, the nearest."""
    best = min((fewer, more), key=lambda counts: abs(share(counts) - left))
    at = list(fewer)
    for index, most in enumerate(more):
        tried = [*at[:index], most, *at[index + 1 :]]
        if share(tried) > left:
            at = tried
            continue
        enough, least = most, at[index]
        while enough - least > 1:
            middle = (enough + least) // 2
            tried = [*at[:index], middle, *at[index + 1 :]]
            enough, least = (enough, middle) if share(tried) > left else (middle, least)
        for count in (least, enough):
            tried = [*at[:index], count, *at[index + 1 :]]
            best = min((best, tried), key=lambda counts: abs(share(counts) - left))
        at[index] = least
    return best


def _one_by_one(
    counts: list[int], unit_sets: Sequence[UnitSet], left: float, share: Callable[[Sequence[int]], float]
) -> list[int]:
    """Where units are few and large: single units more or less, as long as that comes nearer."""
    off = abs(share(counts) - left)
    while off > NEAR_ENOUGH * left:
        tried = [
            [*counts[:index], counts[index] + step, *counts[index + 1 :]]
            for index, one in enumerate(unit_sets)
            for step in (-1, 1)
            if 0 <= counts[index] + step < one.units
        ]
        nearer = min(tried, key=lambda one: abs(share(one) - left), default=counts)
        if abs(share(nearer) - left) >= off:
            break
        counts, off = nearer, abs(share(nearer) - left)
    return counts


def check_reachable(prices: Prices, allocation: Allocation, unit_sets: Sequence[UnitSet], rate: float) -> None:
    """Raises `InputError`, with the nearest that can be had, where the target cannot be reached within 1 %."""
    wanted = allocation.left(rate)
    scores = [torch.arange(one.units, dtype=torch.float32) for one in unit_sets]
    counts = find_counts(prices, allocation, unit_sets, scores, wanted)
    gone = {one.name: one.lowest(s, n) for one, s, n in zip(unit_sets, scores, counts, strict=True)}
    nearest = prices.left(masks_of(unit_sets, gone))
    if abs(nearest - wanted) > WITHIN * wanted:
        raise InputError(
            f"The target {prices.kind} = {wanted:g} cannot be reached",
            f"the nearest share of the unpruned network's {prices.kind} that this recipe can leave is {nearest:.4g}",
            f"ask for {prices.kind} = {nearest:.3g}, or protect less",
        )
