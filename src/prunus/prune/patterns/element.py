"""Single weights (unstructured pruning)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import Pattern
from prunus.prune.units import UnitSet


class Element(Pattern):
    """Every weight is a unit."""

    def unit_sets(  # noqa: D102
        self,
        model: nn.Module,
        example_inputs: Tensor,  # noqa: ARG002
        layers: Sequence[PrunableLayer],
        protected: frozenset[str],
    ) -> tuple[UnitSet, ...]:
        return tuple(
            _elements(layer.name, layer.weight, model.get_parameter(layer.weight))
            for layer in layers
            if layer.name not in protected
        )


def _elements(name: str, parameter: str, weight: Tensor) -> UnitSet:
    return UnitSet(
        name=name,
        units=weight.numel(),
        scored={parameter: lambda values: values.reshape(-1, 1)},
        masked={parameter: partial(_reshape, shape=weight.shape)},
    )


def _reshape(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(shape)
