"""Sparse from the beginning, the places of the weights changing while the network trains."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from prunus.prune.schedules.schedule import Event, Schedule, after


class Set(Schedule):
    """Prunes the initial network, then every `every` epochs drops the lowest weights and grows as many at random.

    replaced: the share of the weights left that is dropped each time. end: the share of the training after which the
    places stay. Grown weights begin at zero.

    Source: Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity inspired
    by network science", 2018 (sparse evolutionary training), with magnitude as the criterion.

    >>> [event.epoch for event in Set(every=2).events(0.9, epochs=8)]
    [0, 2, 4, 6]
    """

    every: int = Field(default=1, ge=1)
    replaced: float = Field(default=0.3, gt=0, lt=1)
    end: float = Field(default=0.75, gt=0, le=1)
    grown: ClassVar[Literal["random", "gradient"]] = "random"

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: D102
        last = min(after(self.end, epochs), epochs - 1)
        changes = range(self.every, last + 1, self.every)
        return (
            Event(0, rate),
            *(Event(epoch, rate, self._share(epoch, last), self.grown) for epoch in changes),
        )

    def _share(self, epoch: int, last: int) -> float:  # noqa: ARG002
        return self.replaced


class RigL(Set):
    """As `set`, but grows where the gradient of the last batch is largest, and replaces ever less, along a cosine.

    Source: Evci et al., "Rigging the lottery: making all tickets winners", 2020; update fraction of section 3.

    >>> [round(event.replaced, 3) for event in RigL(end=1).events(0.9, epochs=5)]
    [0.0, 0.256, 0.15, 0.044, 0.0]
    """

    grown: ClassVar[Literal["random", "gradient"]] = "gradient"

    def _share(self, epoch: int, last: int) -> float:
        return self.replaced / 2 * (1 + math.cos(math.pi * epoch / last))
