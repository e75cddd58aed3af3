"""Output rows of each layer by itself, as `torch.nn.utils.prune.ln_structured` zeroes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import Pattern
from prunus.prune.units import UnitSet


class Row(Pattern):
    """Every output row of a weight is a unit; its bias and what depends on it stay.

    This is the reference experiment's structured pruning. A zeroed row still gives a constant (its bias), so it can
    not be removed; the pattern that can is `channel`.
    """

    def unit_sets(  # noqa: D102
        self,
        model: nn.Module,
        example_inputs: Tensor,  # noqa: ARG002
        layers: Sequence[PrunableLayer],
        protected: frozenset[str],
    ) -> tuple[UnitSet, ...]:
        return tuple(
            _rows(layer.name, layer.weight, model.get_parameter(layer.weight))
            for layer in layers
            if layer.name not in protected
        )


def _rows(name: str, parameter: str, weight: Tensor) -> UnitSet:
    return UnitSet(
        name=name,
        units=weight.shape[0],
        scored={parameter: lambda values: values.flatten(1)},
        masked={parameter: partial(_spread, shape=weight.shape)},
    )


def _spread(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(-1, *(1 for _ in shape[1:])).expand(shape).contiguous()
