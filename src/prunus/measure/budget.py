"""The lowest rate at which a network is fast enough, from few measurements of a noisy latency."""

from __future__ import annotations

from collections.abc import Callable

from prunus.errors import InputError

HIGHEST_RATE = 1 - 1e-6
NEAR_ENOUGH, LATE = 0.05, 0.02
"""How far below the latency asked for the search ends, and how far above it is still reached, as shares of it."""
MOST_TRIED = 8
NARROWEST = 0.01
"""Rates that lie closer together than this are taken for one."""


def find_rate(latency_of: Callable[[float], float], unpruned_ms: float, wanted_ms: float, fastest_ms: float) -> float:
    """The lowest rate found at which the latency is at most `wanted_ms`, after eight tries at most.

    latency_of: rate -> milliseconds, falling with the rate but for noise. fastest_ms: at the highest rate.
    Raises `InputError` where the unpruned network is fast enough, or the fastest one is not: with what can be reached.

    >>> round(find_rate(lambda rate: 10 * (1 - rate), 10, wanted_ms=4, fastest_ms=0), 2)
    0.61
    """
    if unpruned_ms <= wanted_ms:
        raise InputError(
            f"The target latency_ms = {wanted_ms:g} needs no pruning",
            f"the unpruned network takes {unpruned_ms:.4g} ms",
            "ask for less",
        )
    if fastest_ms > wanted_ms * (1 + LATE):
        raise InputError(
            f"The target latency_ms = {wanted_ms:g} cannot be reached",
            f"the nearest is {fastest_ms:.4g} ms, at the highest rate that this recipe permits; unpruned it takes "
            f"{unpruned_ms:.4g} ms",
            f"ask for latency_ms = {fastest_ms * (1 + LATE):.3g} or more, protect less, or choose another "
            "pattern or runtime",
        )
    slow, fast = (0.0, unpruned_ms), (HIGHEST_RATE, fastest_ms)
    for _ in range(MOST_TRIED):
        if wanted_ms - fast[1] <= NEAR_ENOUGH * wanted_ms or fast[0] - slow[0] < NARROWEST:
            break
        rate = _between(slow, fast, wanted_ms * (1 - NEAR_ENOUGH / 2))
        tried = rate, latency_of(rate)
        slow, fast = (tried, fast) if tried[1] > wanted_ms else (slow, tried)
    return fast[0]


def _between(slow: tuple[float, float], fast: tuple[float, float], aim_ms: float) -> float:
    """Where a straight line has the latency aimed at, but not too near to either end, where noise would decide."""
    rise = max(slow[1] - fast[1], 1e-9)
    share = min(max((slow[1] - aim_ms) / rise, 0.15), 0.85)
    return slow[0] + share * (fast[0] - slow[0])
