"""Finding the counts that reach a cost: so much of the parameters, MACs or bit operations left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from prunus.channels.cost_model import CostModel, Share
from prunus.errors import InputError
from prunus.prune import UnitSet
from prunus.prune.allocations import Allocation

HALVINGS = 40
NEAR_ENOUGH = 1e-3
HIGHEST_RATE = 1 - 1e-6
CORRECTIONS = 6
"""How often more or less is asked of the weights, where a cut leaves more or less than they tell."""
MOST_PAIRED = 12
STEPS_AROUND, WIDTH_AROUND = 8, 24
"""How many steps away counts are tried where none nearer is within reach, going on from so many of the nearest."""
WITHIN = 0.01
"""How far from the target, as a share of it, is still reached."""


def find_counts(
    costs: CostModel,
    allocation: Allocation,
    unit_sets: Sequence[UnitSet],
    scores: Sequence[Tensor],
    left: float,
    left_of: Share | None = None,
) -> list[int]:
    """Counts whose cost comes nearest to the share `left`: the rate by halving, the last units set after set.

    left_of: what counts really leave, where that is not what their weights tell; by so much more or less is then asked.
    """
    aim, tried = left, []
    for _ in range(CORRECTIONS):
        counts = _find(costs, allocation, unit_sets, scores, aim)
        if left_of is None:
            return counts
        reached = left_of(counts)
        tried.append((abs(reached - left), counts))
        if tried[-1][0] <= NEAR_ENOUGH * left:
            break
        aim = min(max(aim + left - reached, 1e-6), 1.0)
    return min(tried)[1]


def _find(
    costs: CostModel, allocation: Allocation, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], left: float
) -> list[int]:
    room = [_Room(one, int(score.isneginf().sum())) for one, score in zip(unit_sets, scores, strict=True)]

    def share(counts: Sequence[int]) -> float:
        return _priced(costs, unit_sets, scores, counts)

    low, high = 0.0, HIGHEST_RATE
    fewer, more = (_rounded(room, allocation.counts(unit_sets, scores, rate)) for rate in (low, high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        counts = _rounded(room, allocation.counts(unit_sets, scores, middle))
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
    return _one_by_one(_rounded(room, best), room, left, share)


@dataclass(frozen=True)
class _Room:
    """How many units of a set may go. least: those that are gone already, and stay so."""

    one: UnitSet
    least: int

    @property
    def most(self) -> int:
        return self.one.units - 1

    def rounded(self, count: int) -> int:
        return self.one.rounded(max(count, self.least))


def _rounded(room: Sequence[_Room], counts: Sequence[int]) -> list[int]:
    return [one.rounded(count) for one, count in zip(room, counts, strict=True)]


def _priced(costs: CostModel, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], counts: Sequence[int]) -> float:
    """The share of the cost that is left when so many units of each set go."""
    gone = {one.name: one.lowest(s, one.rounded(n)) for one, s, n in zip(unit_sets, scores, counts, strict=True)}
    return costs.left(unit_sets, gone)


def _between(fewer: list[int], more: list[int], left: float, share: Share) -> list[int]:
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


def _one_by_one(counts: list[int], room: Sequence[_Room], left: float, share: Share) -> list[int]:
    """Where units are few and large: single units more or less, as long as that comes nearer, then pairs of sets."""
    off = abs(share(counts) - left)
    while off > NEAR_ENOUGH * left:
        tried = [one for place in range(len(counts)) for one in _moved(counts, room, place)]
        nearer = min(tried, key=lambda one: abs(share(one) - left), default=counts)
        if abs(share(nearer) - left) >= off:
            break
        counts, off = nearer, abs(share(nearer) - left)
    if off > NEAR_ENOUGH * left and len(room) <= MOST_PAIRED:
        counts = min([counts, *_paired(counts, room, left, share)], key=lambda one: abs(share(one) - left))
        fewest = _rounded(room, [one.most for one in room])
        if abs(share(counts) - left) > WITHIN * left and share(fewest) < left:
            return _around(counts, room, left, share)
    return counts


def _moved(counts: list[int], room: Sequence[_Room], place: int) -> Iterator[list[int]]:
    """The counts with one step more or less in one set."""
    stride = room[place].one.stride
    for step in (-stride, stride):
        moved = room[place].rounded(counts[place] + step)
        if moved != counts[place]:
            yield [*counts[:place], moved, *counts[place + 1 :]]


def _paired(counts: list[int], room: Sequence[_Room], left: float, share: Share) -> Iterator[list[int]]:
    """The counts with one step more or less in one set, and in another as many as then come nearest, by halving."""
    for place, other in permutations(range(len(counts)), 2):
        for moved in _moved(counts, room, place):
            least, most = room[other].least, room[other].most
            while most - least > 1:
                middle = (least + most) // 2
                tried = [*moved[:other], middle, *moved[other + 1 :]]
                least, most = (middle, most) if share(tried) > left else (least, middle)
            for count in (least, most):
                yield [*moved[:other], room[other].rounded(count), *moved[other + 1 :]]


def _around(counts: list[int], room: Sequence[_Room], left: float, share: Share) -> list[int]:
    """The nearest of many counts some steps away; what is nearest after one step is not always on the way to it."""
    best, off = counts, abs(share(counts) - left)
    front, seen = [counts], {tuple(counts)}
    for _ in range(STEPS_AROUND):
        found = {}
        for one in front:
            for place in range(len(one)):
                for moved in _moved(one, room, place):
                    if tuple(moved) not in seen:
                        seen.add(tuple(moved))
                        found[tuple(moved)] = abs(share(moved) - left)
        front = [list(one) for one in sorted(found, key=lambda one: found[one])[:WIDTH_AROUND]]
        if front and found[tuple(front[0])] < off:
            best, off = front[0], found[tuple(front[0])]
        if off <= WITHIN * left:
            break
    return best


def check_reachable(
    costs: CostModel,
    allocation: Allocation,
    unit_sets: Sequence[UnitSet],
    rate: float,
    left_of: Share | None = None,
) -> None:
    """Raises `InputError`, with the nearest that can be had, where the target cannot be reached within 1 %."""
    left = allocation.left(rate)
    scores = [torch.arange(one.units, dtype=torch.float32) for one in unit_sets]
    counts = find_counts(costs, allocation, unit_sets, scores, left, left_of)
    check_reached(costs, unit_sets, scores, counts, left, left_of)


def check_reached(
    costs: CostModel,
    unit_sets: Sequence[UnitSet],
    scores: Sequence[Tensor],
    counts: Sequence[int],
    left: float,
    left_of: Share | None = None,
) -> None:
    """Raises `InputError`, with what was reached, where that is further than 1 % from the share `left`."""
    nearest = _priced(costs, unit_sets, scores, counts) if left_of is None else left_of(counts)
    if abs(nearest - left) > WITHIN * left:
        raise InputError(
            f"The target {costs.kind} = {left:g} cannot be reached",
            f"the nearest share of the unpruned network's {costs.kind} that this recipe can leave is {nearest:.4g}",
            f"ask for {costs.kind} = {nearest:.3g}, or protect less",
        )
