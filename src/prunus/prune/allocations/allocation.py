"""The contract of an allocation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from prunus.prune.units import UnitSet
from prunus.spec.part import Frozen


class Allocation(Frozen, ABC):
    """Shares a rate among sets of units; its fields are its settings."""

    @abstractmethod
    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:
        """How many units of each set go, at least one unit of each set staying if it has any.

        scores: one (units,) tensor per set, higher is more important. rate: in [0, 1).
        """
