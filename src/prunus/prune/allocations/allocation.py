"""The contract of an allocation, and what allocations have in common whose densities differ by layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor

from prunus.prune.units import UnitSet
from prunus.spec.part import Frozen

Share = Annotated[float, Field(gt=0, lt=1)]
Counted = Literal["params", "macs", "bops"]
TARGETS = ("params", "macs", "bops", "latency_ms")
DEFAULT_PLACE = ("onnxruntime", 1, 1, None)
"""Runtime, batch size, threads and rate found of a latency that nobody asked for."""


class Allocation(Frozen, ABC):
    """Shares a rate among sets of units; its fields are its settings, among them by what the rate is found.

    params, macs, bops: the share of the unpruned network's parameters, effective MACs or effective BOPs that is to be
    left; the rate that this takes is found, and the rate asked for elsewhere is of no account.
    latency_ms: the time that one run is to take at most, on `runtime`, with so large a batch and so many threads; the
    rate that this takes is measured once, before anything is pruned, and is then found_rate, which spares the search.
    rate_of: what the rate is a share of, where none of these is given: of the pattern's units, or of a cost.
    """

    params: Share | None = None
    macs: Share | None = None
    bops: Share | None = None
    latency_ms: float | None = Field(default=None, gt=0)
    runtime: str = DEFAULT_PLACE[0]
    batch_size: int = Field(default=DEFAULT_PLACE[1], ge=1)
    threads: int = Field(default=DEFAULT_PLACE[2], ge=1)
    found_rate: float | None = Field(default=DEFAULT_PLACE[3], gt=0, lt=1)
    rate_of: Literal["units", "params", "macs", "bops"] = "units"

    @model_validator(mode="after")
    def _one_target(self) -> Allocation:
        given = [name for name in TARGETS if getattr(self, name) is not None]
        if len(given) > 1 or (given and self.rate_of != "units"):
            raise ValueError(f"one target at most: {', '.join(given)} and rate_of exclude each other")
        if self.latency_ms is None and (self.runtime, self.batch_size, self.threads, self.found_rate) != DEFAULT_PLACE:
            raise ValueError("runtime, batch_size, threads and found_rate go with latency_ms alone")
        return self

    @property
    def target(self) -> tuple[str, float] | None:
        """The cost that is asked for by name, and how much of it: `("macs", 0.25)`, `("latency_ms", 3.0)`."""
        return next(((name, getattr(self, name)) for name in TARGETS if getattr(self, name) is not None), None)

    def settled(self, rate: float) -> float:
        """The rate of units: the one that was found for a latency, else the one given."""
        return rate if self.found_rate is None else self.found_rate

    @property
    def counted(self) -> Counted | None:
        """The cost by which the rate is found; None where it is a share of units."""
        names: tuple[Counted, ...] = ("params", "macs", "bops")
        return next((name for name in names if getattr(self, name) is not None or self.rate_of == name), None)

    def left(self, rate: float) -> float:
        """The share of the cost `counted` that is to be left at a rate."""
        share = getattr(self, self.counted) if self.counted else None
        return 1 - rate if share is None else float(share)

    def check(self, unit_sets: Sequence[UnitSet]) -> None:  # most allocations name no layer
        """Raises `InputError` where the settings do not fit the sets that are to share the rate."""

    @property
    def even(self) -> bool:
        """Whether every set loses the share that is asked for."""
        return False

    @abstractmethod
    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:
        """How many units of each set go, at least one unit of each set staying if it has any.

        scores: one (units,) tensor per set, higher is more important. rate: in [0, 1), of units.
        """


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
    scale = 0.0
    for _ in range(len(units) + 1):  # every pass but the last finds at least one more set that stays whole
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
