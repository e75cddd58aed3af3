"""What a network costs: counts per layer and in total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prunus.cost import formulas


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer, in the order of execution; MACs and BOPs of all its calls, for one input.

    layer: qualified module name; the parameter's name where the module has more than one weight.
    units: output rows of the weight; empty_units: those without a non-zero element.
    """

    layer: str
    kind: str
    weights: int
    nonzero_weights: int
    units: int
    empty_units: int
    dense_macs: int
    effective_macs: int
    dense_bops: int
    effective_bops: int
    dense_uniq_bops: int
    effective_uniq_bops: int


@dataclass(frozen=True)
class NetworkCost:
    """A network's computed cost, for one input. `not_counted`: operations that the counter does not know -> calls."""

    layers: tuple[LayerCost, ...]
    parameters: int
    nonzero_parameters: int
    prunable_weights: int
    nonzero_weights: int
    not_counted: Mapping[str, int]
    weight_bits: int
    activation_bits: int

    @property
    def dense_macs(self) -> int:
        """What a runtime that ignores zeros executes."""
        return sum(layer.dense_macs for layer in self.layers)

    @property
    def effective_macs(self) -> int:
        """MACs with a non-zero weight."""
        return sum(layer.effective_macs for layer in self.layers)

    @property
    def dense_bops(self) -> int:
        """Bit operations of the dense MACs."""
        return sum(layer.dense_bops for layer in self.layers)

    @property
    def effective_bops(self) -> int:
        """Bit operations of the effective MACs."""
        return sum(layer.effective_bops for layer in self.layers)

    @property
    def dense_uniq_bops(self) -> int:
        """Bit operations of the dense MACs with accumulator bits (UNIQ)."""
        return sum(layer.dense_uniq_bops for layer in self.layers)

    @property
    def effective_uniq_bops(self) -> int:
        """Bit operations of the effective MACs with accumulator bits (UNIQ)."""
        return sum(layer.effective_uniq_bops for layer in self.layers)

    def compression_ratio(self, unpruned: NetworkCost) -> float:
        """Parameters of the unpruned network over this one's non-zero ones."""
        return formulas.compression_ratio(unpruned.parameters, self.nonzero_parameters)

    def theoretical_speedup(self, unpruned: NetworkCost) -> float:
        """Dense MACs of the unpruned network over this one's effective ones; not a time."""
        return formulas.theoretical_speedup(unpruned.dense_macs, self.effective_macs)
