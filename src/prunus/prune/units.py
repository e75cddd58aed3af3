"""The units of a pattern: what is scored as one and goes as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from prunus.prune.masks import lowest, lowest_of_each

if TYPE_CHECKING:
    from prunus.coupling import ChannelGroup


def step_of(round_to: int, width: int) -> int:
    """Units that make up a multiple of `round_to` channels, each unit being `width` of them.

    >>> [step_of(16, width) for width in (1, 8, 12, 32)]
    [16, 2, 4, 1]
    """
    return round_to // math.gcd(round_to, width)


def rounded_units(units: int, wanted: int, step: int = 1, least: int = 1) -> int:
    """The multiple of `step` nearest to `wanted` (halves up) that is not below `least`; never 0, at most all units.

    >>> [rounded_units(units=20, wanted=wanted, step=8) for wanted in (1, 11, 12, 20)]
    [8, 8, 16, 20]
    >>> rounded_units(units=20, wanted=3, step=4, least=6)
    8
    """
    return min(units, max(step, step * math.floor(wanted / step + 0.5), step * math.ceil(least / step)))


Arrange = Callable[[Tensor], Tensor]
Role = Literal["scored", "scales", "readers"]


@dataclass(frozen=True)
class UnitSet:
    """The units that are ranked against each other in one layer or one group of coupled layers.

    scored: parameter name -> how a tensor of the parameter's shape is arranged as a matrix (units, elements).
    masked: parameter name -> how a boolean vector (units,), True for what stays, becomes a mask of its shape.
    scales, readers: as `scored`, for the scales of the normalisation behind the units and for the weights of the layers
    that read them; empty where units are no channels.
    shape: of the (first) weight that makes the units.
    together: units go by the same number from every so many consecutive ones (the M of N:M); None: wherever they are.
    step, least: units stay in multiples of this, and so many at least.
    group: the coupled channels behind the units, where units are channels; what it takes to cut them out.
    """

    name: str
    units: int
    scored: Mapping[str, Arrange]
    masked: Mapping[str, Arrange]
    scales: Mapping[str, Arrange] = field(default_factory=dict)
    readers: Mapping[str, Arrange] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    together: int | None = None
    step: int = 1
    least: int = 1
    group: ChannelGroup | None = None

    def role(self, role: Role) -> Mapping[str, Arrange]:
        """The parameters of one role and how each is arranged."""
        parameters: Mapping[str, Arrange] = getattr(self, role)
        return parameters

    def lowest(self, scores: Tensor, count: int) -> Tensor:
        """Mark the `count` units of lowest score, (units,); where they go `together`, the nearest number to it."""
        if self.together is None:
            return lowest(scores, count)
        each = round(count / self.units * self.together)
        return lowest_of_each(scores.reshape(-1, self.together), min(each, self.together - 1)).reshape(-1)

    @property
    def stride(self) -> int:
        """By how many units more or fewer can go at least."""
        return self.step if self.together is None else self.units // self.together

    def rounded(self, count: int) -> int:
        """How many units go when so many should: the nearest number that leaves what must be left."""
        return self.units - rounded_units(self.units, self.units - count, self.step, self.least)
