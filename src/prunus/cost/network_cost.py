"""What a network costs: the formulas, and counts per layer and in total."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prunus.system.html import table


def effective_macs(macs: int, nonzero_weights: int, weights: int) -> int:
    """MACs with a non-zero weight, where every weight element is used equally often.

    >>> effective_macs(1800, 18, 72)
    450
    """
    return macs * nonzero_weights // weights if weights else 0


def bops(macs: int, weight_bits: int, activation_bits: int) -> int:
    """Bit operations: MACs · weight bits · activation bits (Bayesian Bits, van Baalen et al. 2020, arXiv:2005.07093).

    >>> bops(10, 8, 4)
    320
    """
    return macs * weight_bits * activation_bits


def uniq_bops(macs: int, weight_bits: int, activation_bits: int, fan_in: int) -> int:
    """Bit operations with an accumulator that never overflows, rounded (UNIQ, Baskin et al. 2018, arXiv:1804.10969).

    Multiplying takes bw·ba bit operations, adding as many as the accumulator has bits: bw + ba + log2(fan_in), where
    fan_in = input channels / groups · kernel size, the length of the sum.

    >>> uniq_bops(10, 8, 4, fan_in=16)
    480
    """
    accumulator_bits = weight_bits + activation_bits + math.log2(max(fan_in, 1))
    return round(macs * (weight_bits * activation_bits + accumulator_bits))


def compression_ratio(unpruned_parameters: int, nonzero_parameters: int) -> float:
    """All parameters of the unpruned network over the non-zero ones of the pruned; infinite if none is left.

    >>> compression_ratio(100, 25)
    4.0
    """
    return unpruned_parameters / nonzero_parameters if nonzero_parameters else math.inf


def theoretical_speedup(unpruned_dense_macs: int, effective_macs: int) -> float:
    """Dense MACs of the unpruned network over the effective ones of the pruned: a ratio of counts, not of times.

    >>> theoretical_speedup(1000, 400)
    2.5
    """
    return unpruned_dense_macs / effective_macs if effective_macs else math.inf


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer, in the order of execution; MACs and BOPs of all its calls, for one input.

    Attributes:
        layer: qualified module name; the parameter's name where the module has more than one weight.
        kind: the operation, such as `conv2d`.
        weights: elements of the weight.
        nonzero_weights: those that are not zero.
        units: output rows of the weight.
        empty_units: those without a non-zero element.
        dense_macs: what a runtime that ignores zeros executes.
        effective_macs: those with a non-zero weight.
        dense_bops: bit operations of the dense MACs.
        effective_bops: bit operations of the effective MACs.
        dense_uniq_bops: the same with accumulator bits (UNIQ).
        effective_uniq_bops: the same with accumulator bits (UNIQ).
        weight_bits: bits of a weight that BOPs were counted with.
        activation_bits: bits of an activation that BOPs were counted with.
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
    weight_bits: int = 32
    activation_bits: int = 32


@dataclass(frozen=True)
class NetworkCost:
    """A network's computed cost, for one input; sums over its layers are properties.

    Attributes:
        layers: in the order of execution.
        parameters: all elements of all parameters.
        nonzero_parameters: those that are not zero.
        prunable_weights: elements of the weights of convolution and linear layers.
        nonzero_weights: those that are not zero.
        not_counted: operations that the counter does not know -> calls.
        weight_bits: bits of a weight that BOPs were counted with, but for layers that have their own.
        activation_bits: bits of an activation, likewise.
    """

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

    def _repr_html_(self) -> str:
        """Layers as a table, in a notebook."""
        rows = [
            [
                layer.layer,
                layer.kind,
                f"{layer.weights:,}",
                f"{layer.nonzero_weights:,}",
                f"{layer.effective_macs:,}",
                f"{layer.effective_bops:,}",
            ]
            for layer in self.layers
        ]
        caption = (
            f"{self.parameters:,} parameters, {self.nonzero_parameters:,} of them not zero; {self.dense_macs:,} dense "
            f"and {self.effective_macs:,} effective MACs; {self.effective_bops:,} effective BOPs (all computed)"
        )
        return table(caption, ("layer", "kind", "weights", "not zero", "effective MACs", "effective BOPs"), rows)

    def compression_ratio(self, unpruned: NetworkCost) -> float:
        """Parameters of the unpruned network over this one's non-zero ones."""
        return compression_ratio(unpruned.parameters, self.nonzero_parameters)

    def theoretical_speedup(self, unpruned: NetworkCost) -> float:
        """Dense MACs of the unpruned network over this one's effective ones; not a time."""
        return theoretical_speedup(unpruned.dense_macs, self.effective_macs)
