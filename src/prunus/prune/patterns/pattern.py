"""The contract of a pattern."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from prunus.prune.layers import PrunableLayer, refuse_computed
from prunus.prune.units import Arrange, UnitSet
from prunus.spec.part import Frozen


class Pattern(Frozen, ABC):
    """Divides a network's prunable weights into units; its fields are its settings."""

    @abstractmethod
    def unit_sets(
        self, model: nn.Module, example_inputs: Tensor, layers: Sequence[PrunableLayer], protected: frozenset[str]
    ) -> tuple[UnitSet, ...]:
        """The units of all layers that are not protected, in the order in which the layers run.

        Raises `InputError` for a layer that cannot be divided so.
        """

    def kept_outputs(self) -> str | int | tuple[str | int, ...] | None:
        """The network's outputs that keep their width, where units are channels; None for the default."""
        return None

    def check_rate(self, rate: float) -> None:  # most patterns can be had at any rate
        """Raises `InputError` for a rate that the pattern excludes."""

    def check_even(self, *, even: bool) -> None:  # most patterns can be had at another rate in every layer
        """Raises `InputError` where layers are to differ in their rate (not `even`), and the pattern excludes that."""


class LayerPattern(Pattern):
    """A pattern whose units lie each within the weight of one layer."""

    @abstractmethod
    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:
        """The units of one layer. weight: with the outputs first."""

    def unit_sets(
        self,
        model: nn.Module,
        example_inputs: Tensor,  # noqa: ARG002  # layers stand by themselves, so nothing is traced
        layers: Sequence[PrunableLayer],
        protected: frozenset[str],
    ) -> tuple[UnitSet, ...]:
        """The units of all layers that are not protected, in the order in which the layers run."""
        free = [layer for layer in layers if layer.name not in protected]
        refuse_computed(free)
        return tuple(self._units_of(layer, model.get_parameter(layer.weight)) for layer in free)

    def _units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:
        """The units, whichever way round the layer keeps its weight."""
        if not layer.transposed:
            return self.units_of(layer, weight)
        found = self.units_of(layer, weight.t())
        (scored,), (masked,) = found.scored.values(), found.masked.values()
        return replace(
            found,
            scored={layer.weight: partial(_of_transposed, arrange=scored)},
            masked={layer.weight: partial(_transposed, arrange=masked)},
        )


def _of_transposed(values: Tensor, arrange: Arrange) -> Tensor:
    return arrange(values.t())


def _transposed(keep: Tensor, arrange: Arrange) -> Tensor:
    return arrange(keep).t().contiguous()
