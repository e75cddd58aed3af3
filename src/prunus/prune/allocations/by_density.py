"""Densities that differ by layer, scaled until the whole network has the rate."""

from __future__ import annotations

from collections.abc import Sequence


def counts_of(weights: Sequence[float], units: Sequence[int], rate: float) -> list[int]:
    """How many units of each set go if densities are proportional to the weights, none above 1.

    Sets that would be denser than dense stay whole, and the others share what is left, as often as it takes. At
    least one unit of every set stays.

    >>> counts_of([2.0, 1.0], [10, 10], rate=0.7)
    [6, 8]
    >>> counts_of([9.0, 1.0], [10, 10], rate=0.4)
    [0, 8]
    """
    whole: set[int] = set()
    kept = (1 - rate) * sum(units)
    while True:
        others = [i for i in range(len(units)) if i not in whole]
        budget = kept - sum(units[i] for i in whole)
        scale = budget / max(sum(weights[i] * units[i] for i in others), 1e-12)
        dense = {i for i in others if scale * weights[i] > 1}
        if not dense:
            break
        whole |= dense
    return [
        0 if i in whole else min(max(0, round(units[i] * (1 - scale * weights[i]))), units[i] - 1)
        for i in range(len(units))
    ]
