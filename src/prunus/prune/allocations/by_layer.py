"""Every layer its own rate, such as `prunus sensitivity` suggests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor

from prunus.errors import InputError, nearest
from prunus.prune.allocations.allocation import Allocation, counts_of
from prunus.prune.units import UnitSet


class ByLayer(Allocation):
    """The densities of layers are as those that `rates` leave, all larger or smaller by the same factor.

    rates: layer, or group of channels -> the share of its units that goes; 0 for those that are not named. At the rate
    that they come to together, the factor is 1; no density becomes larger than 1.
    """

    rates: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)

    def check(self, unit_sets: Sequence[UnitSet]) -> None:
        """Raises `InputError` for a name that no set of units has."""
        names = [one.name for one in unit_sets]
        for name in self.rates:
            if name not in names:
                raise InputError(
                    f"The allocation 'by_layer' has a rate for {name!r}",
                    "nothing of that name is pruned in this network",
                    nearest(name, names),
                )

    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:  # noqa: ARG002, D102
        densities = [1 - self.rates.get(one.name, 0.0) for one in unit_sets]
        return counts_of(densities, [one.units for one in unit_sets], rate)
