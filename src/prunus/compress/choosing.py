"""Widths for a budget: the knapsack over the groups, made anew around what it chose until costs are as they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from prunus.compress.costs import Costs
from prunus.compress.widths import GroupWidths, Widths, uniform
from prunus.prune.knapsack import choose

ROUNDS = 8
HALVINGS = 24

Chooser: TypeAlias = Callable[[Costs, float], dict[str, int] | None]
"""Widths at which a network costs at most so much; None where even the least widths cost more."""


def choosers(groups: Sequence[GroupWidths], losses: Sequence[Sequence[float]]) -> dict[str, Chooser]:
    """Ways to choose widths, by what a report calls them; which is best is known after some training only.

    Losses are of a network that was not trained on yet, which gets over some of them and not over others: a group
    that is narrowed much may become the network's bottleneck. Roots of the losses spread what goes over more groups,
    and even widths do most of all.
    """
    roots = [[math.copysign(math.sqrt(abs(one)), one) for one in own] for own in losses]
    return {
        "by loss": partial(choose_widths, groups, losses),
        "by the root of the loss": partial(choose_widths, groups, roots),
        "even": partial(even_widths, groups),
    }


def group_costs(groups: Sequence[GroupWidths], costs: Costs, around: Widths) -> list[list[float]]:
    """Group by group, for each of its choices: what the network costs then, beyond what it costs at `around`."""
    here = costs.total(around)
    return [[costs.total({**around, one.name: left}) - here for left in one.choices] for one in groups]


def choose_widths(
    groups: Sequence[GroupWidths], losses: Sequence[Sequence[float]], costs: Costs, budget: float
) -> dict[str, int] | None:
    """Widths of little loss at which the network costs at most `budget`; None where even the least widths cost more.

    What a group costs depends on how wide its neighbours are: a layer's MACs are a product of two widths. So costs are
    taken around the widths last chosen, and groups chosen anew, beginning at even widths of that cost (as HALP prunes
    in steps and looks latencies up anew). Of all widths met on the way within the budget those of least loss are
    returned.
    """
    even = even_widths(groups, costs, budget)
    if even is None:
        return None
    lost = _losses_by_width(groups, losses)
    best = around = even
    room = budget
    for _ in range(ROUNDS):
        here = costs.total(around)
        chosen = choose(losses, group_costs(groups, costs, around), room - here)
        if chosen is None:
            break
        widths = {one.name: one.choices[place] for one, place in zip(groups, chosen, strict=True)}
        over = costs.total(widths) - budget
        if over <= 0 and lost(widths) < lost(best):
            best = widths
        if widths == around:
            break
        # Where the costs around the last widths promised more than came true, so much less is asked for.
        room = budget - max(0.0, over) / 2 if over > 0 else budget
        around = widths if over <= 0 else _between(groups, around, widths)
    return best


def even_widths(groups: Sequence[GroupWidths], costs: Costs, budget: float) -> dict[str, int] | None:
    """The largest even share of all groups that is within the budget."""
    low, high = 0.0, 1.0
    if costs.total(uniform(groups, high)) <= budget:
        return uniform(groups, high)
    if costs.total(uniform(groups, low)) > budget:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if costs.total(uniform(groups, middle)) <= budget else (low, middle)
    return uniform(groups, low)


def _between(groups: Sequence[GroupWidths], one: Widths, other: Widths) -> dict[str, int]:
    """Half the way from one to the other, at the nearest choices."""
    return {
        group.name: min(group.choices, key=lambda left: abs(2 * left - one[group.name] - other[group.name]))
        for group in groups
    }


def _losses_by_width(
    groups: Sequence[GroupWidths], losses: Sequence[Sequence[float]]
) -> Callable[[Mapping[str, int]], float]:
    """What tells the sum of the losses at some widths."""
    table = {one.name: dict(zip(one.choices, own, strict=True)) for one, own in zip(groups, losses, strict=True)}
    return lambda widths: sum(table[name][left] for name, left in widths.items())
