"""Finding the rate that reaches a latency, from few measurements of a noisy one: networks pruned by way of trial, each
timed beside the unpruned one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from prunus.errors import InputError
from prunus.measure.stopwatch import Place, Stopwatch, Timed
from prunus.prune.allocations import Allocation
from prunus.spec.part import Frozen
from prunus.system.processor import processor_name

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
