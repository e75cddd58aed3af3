"""Single weights (unstructured pruning)."""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class Element(LayerPattern):
    """Every weight is a unit.

    within: weights of the whole `layer` are ranked against each other, or those of each `output` by themselves, so that
    every output loses the same number of its inputs, as published for `wanda`.
    """

    within: Literal["layer", "output"] = "layer"

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        return UnitSet(
            name=layer.name,
            units=weight.numel(),
            scored={layer.weight: _as_column},
            masked={layer.weight: partial(_reshape, shape=weight.shape)},
            shape=tuple(weight.shape),
            together=weight[0].numel() if self.within == "output" else None,
        )


def _as_column(values: Tensor) -> Tensor:
    return values.reshape(-1, 1)


def _reshape(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(shape)
