"""Erdős-Rényi-Kernel: small layers stay denser."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from prunus.prune.allocations.allocation import Allocation, counts_of
from prunus.prune.units import UnitSet


class Erk(Allocation):
    """The density of a layer is proportional to the sum of its weight's dimensions over their product, at most 1.

    Sources: Evci et al., "Rigging the lottery", 2020, section 3 (with the kernel's dimensions); for linear layers
    Mocanu et al., 2018 (Erdős-Rényi).
    """

    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:  # noqa: ARG002, D102
        weights = [sum(one.shape) / math.prod(one.shape) if one.shape else 1.0 for one in unit_sets]
        return counts_of(weights, [one.units for one in unit_sets], rate)
