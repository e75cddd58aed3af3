"""Output rows of each layer by itself, as `torch.nn.utils.prune.ln_structured` zeroes them."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class Row(LayerPattern):
    """Every output row of a weight is a unit; its bias and what depends on it stay.

    This is the reference experiment's structured pruning. A zeroed row still gives a constant (its bias), so it can
    not be removed; the pattern that can is `channel`.
    """

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        return UnitSet(
            name=layer.name,
            units=weight.shape[0],
            scored={layer.weight: _as_rows},
            masked={layer.weight: partial(_spread, shape=weight.shape)},
            shape=tuple(weight.shape),
        )


def _as_rows(values: Tensor) -> Tensor:
    return values.flatten(1)


def _spread(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(-1, *(1 for _ in shape[1:])).expand(shape).contiguous()
