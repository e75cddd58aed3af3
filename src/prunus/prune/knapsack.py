"""The multiple-choice knapsack: one choice of each group, to cost at most a budget and lose least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_STATES = 4000
"""So many partial choices are kept after each group; where there are more, the best of each small range of costs."""


def choose(losses: Sequence[Sequence[float]], costs: Sequence[Sequence[float]], budget: float) -> list[int] | None:
    """One choice of each group: the least sum of losses whose sum of costs is at most `budget`.

    By dynamic programming over the choices that no other beats in both sums (Nemhauser & Ullmann, 1969), exact as long
    as no more than `MOST_STATES` of them are left after a group. Latency-aware pruning as a knapsack: Shen et al.,
    "Structural pruning via latency-saliency knapsack" (HALP), 2022; Kurtić et al., "ZipLM", 2023.

    Args:
        losses: of each choice of each group; of the same lengths as `costs`.
        costs: of each choice of each group, in any unit; they may be negative.
        budget: the most that all of them may cost.

    Returns:
        The index of the choice of each group; None where even the cheapest choices cost more.

    Example:
        >>> choose([[0, 5], [0, 1]], [[10, 2], [10, 6]], budget=16)
        [0, 1]
        >>> choose([[0, 5], [0, 1]], [[10, 2], [10, 6]], budget=7) is None
        True
    """
    cheapest = [min(own) for own in costs]
    if sum(cheapest) > budget:
        return None
    spent, lost = np.zeros(1), np.zeros(1)
    steps: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for place, (own_losses, own_costs) in enumerate(zip(losses, costs, strict=True)):
        all_spent = (spent[:, None] + np.asarray(own_costs, dtype=np.float64)).ravel()
        all_lost = (lost[:, None] + np.asarray(own_losses, dtype=np.float64)).ravel()
        room = budget - sum(cheapest[place + 1 :])
        kept = _undominated(all_spent, all_lost, room)
        spent, lost = all_spent[kept], all_lost[kept]
        steps.append((kept // len(own_costs), kept % len(own_costs)))
    state, chosen = int(np.argmin(lost)), []
    for before, choice in reversed(steps):
        chosen.append(int(choice[state]))
        state = int(before[state])
    return chosen[::-1]


def _undominated(spent: Floats, lost: Floats, room: float) -> NDArray[np.intp]:
    """The places of the sums within the room that no other beats in both, in the order of their costs.

    What costs the least is always among them, however sums of equal numbers are rounded.
    """
    order = np.lexsort((lost, spent))
    within = order[spent[order] <= room]
    order = within if within.size else order[:1]
    best = np.minimum.accumulate(lost[order])
    falls = np.concatenate(([True], best[1:] < best[:-1]))
    front: NDArray[np.intp] = order[falls]
    if len(front) <= MOST_STATES:
        return front
    # Of each small range of costs the last one, which loses the least of it; the cheapest of all stays as well.
    ranges = np.linspace(spent[front[0]], spent[front[-1]], MOST_STATES)
    last = np.searchsorted(spent[front], ranges, side="right") - 1
    thinned: NDArray[np.intp] = front[np.unique(np.concatenate(([0], last)))]
    return thinned
