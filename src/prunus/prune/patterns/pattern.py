"""The contract of a pattern."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from prunus.prune.layers import PrunableLayer
from prunus.prune.units import UnitSet
from prunus.spec.part import Frozen


class Pattern(Frozen, ABC):
    """Divides a network's prunable weights into units; its fields are its settings."""

    @abstractmethod
    def unit_sets(
        self, model: nn.Module, example_inputs: Tensor, layers: Sequence[PrunableLayer], protected: frozenset[str]
    ) -> tuple[UnitSet, ...]:
        """The units of all layers that are not protected, in the order in which the layers run."""
