"""Which layers get zeros, how many, and which compute on integers: from what each does to the outputs alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prunus.compress.file.removing import Thinned

Found = TypeVar("Found")
PRICES = tuple(10 ** (step / 4) for step in range(-12, 29))
"""What a change of the outputs costs, in shares of all work saved, from cheap to dear."""


@dataclass(frozen=True)
class LayerChoices:
    """What can be had of a layer.

    layer: its name. work: multiplications in one run. thinned: its weight at rising rates. harm: by how much a squared
    error of the layer is multiplied on its way to the network's outputs.
    """

    layer: str
    work: float
    thinned: tuple[Thinned, ...]
    harm: float

    def best(self, price: float) -> Thinned | None:
        """The rate at which what is left of the work and the price of the error are least; None: all weights stay.

        price: in multiplications.
        """
        options: list[Thinned | None] = [None, *self.thinned]
        return min(options, key=lambda one: self._cost(one, price))

    def _cost(self, one: Thinned | None, price: float) -> float:
        if one is None:
            return self.work
        return self.work * (1 - one.rate) + price * self.harm * one.error


def at_price(choices: Sequence[LayerChoices], price: float) -> dict[str, Thinned]:
    """Layer -> its weight, for those that lose some. price: of an error as large as the outputs, in all the work."""
    work = sum(one.work for one in choices)
    found = {one.layer: one.best(price * work) for one in choices}
    return {name: thinned for name, thinned in found.items() if thinned is not None}


def first_that_holds(tried: Sequence[Found], holds: Callable[[Found], bool]) -> Found | None:
    """The first of a sequence, ordered from bold to timid, that holds, if what is more timid than it does; by halving.

    >>> first_that_holds([1, 2, 3, 4, 5], lambda number: number >= 3), first_that_holds([1], lambda number: False)
    (3, None)
    """
    low, high = 0, len(tried)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(tried[middle]) else (middle + 1, high)
    return tried[low] if low < len(tried) else None


def by_harm(harms: Mapping[str, float]) -> tuple[str, ...]:
    """Layers from the most harmful to the least."""
    return tuple(sorted(harms, key=lambda name: (-harms[name], name)))
