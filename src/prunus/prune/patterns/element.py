"""Single weights (unstructured pruning)."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class Element(LayerPattern):
    """Every weight is a unit."""

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        return UnitSet(
            name=layer.name,
            units=weight.numel(),
            scored={layer.weight: _as_column},
            masked={layer.weight: partial(_reshape, shape=weight.shape)},
            shape=tuple(weight.shape),
        )


def _as_column(values: Tensor) -> Tensor:
    return values.reshape(-1, 1)


def _reshape(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(shape)
