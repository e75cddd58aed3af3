"""The same rate in every layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from prunus.prune.allocations.allocation import Allocation
from prunus.prune.units import UnitSet


class Uniform(Allocation):
    """Every set loses the same share of its units, rounded to the nearest number (half to even)."""

    @property
    def even(self) -> bool:  # noqa: D102
        return self.target is None and self.rate_of == "units"

    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:  # noqa: ARG002, D102
        return [min(round(rate * one.units), one.units - 1) for one in unit_sets]
