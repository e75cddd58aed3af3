"""N of every M consecutive weights along the input dimension stay."""

from __future__ import annotations

from functools import partial

from pydantic import Field, model_validator
from torch import Tensor

from prunus.errors import InputError
from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.prune.units import UnitSet


class NM(LayerPattern):
    """Every weight is a unit, and of every `m` consecutive ones along the input dimension the same number goes.

    n: how many of `m` stay, so that the rate must be 1 - n/m; without it the rate decides, rounded to a whole number.
    The input dimension is a convolution's input channels, at each place of its kernel, and a linear layer's inputs.

    Source: Mishra et al., "Accelerating sparse deep neural networks", 2021 (2:4).
    """

    n: int | None = Field(default=None, ge=1)
    m: int = Field(default=4, ge=2)

    @model_validator(mode="after")
    def _fewer_than_all(self) -> NM:
        if self.n is not None and self.n >= self.m:
            raise ValueError(f"{self.n} of {self.m} is no pruning")
        return self

    def check_rate(self, rate: float) -> None:  # noqa: D102
        if self.n is not None and abs(rate - (1 - self.n / self.m)) > 1e-9:
            raise InputError(
                f"The pattern {self.n}:{self.m} cannot be had at a rate of {rate:g}",
                f"{self.n} of {self.m} weights stay",
                f"set the rate to {1 - self.n / self.m:g}, or leave n out so that the rate decides",
            )

    def check_even(self, *, even: bool) -> None:  # noqa: D102
        if self.n is not None and not even:
            raise InputError(
                f"The pattern {self.n}:{self.m} cannot be had where layers differ in their rate",
                f"{self.n} of {self.m} weights stay in every layer",
                "use the allocation 'uniform' without a target, or leave n out so that each layer has its own",
            )

    def units_of(self, layer: PrunableLayer, weight: Tensor) -> UnitSet:  # noqa: D102
        inputs = weight.shape[1]
        if inputs % self.m:
            raise InputError(
                f"The layer {layer.name!r} cannot be pruned in groups of {self.m}",
                f"its input dimension is {inputs}, which {self.m} does not divide",
                f"protect it (protect = ['output', {layer.name!r}]), or set another m",
            )
        return UnitSet(
            name=layer.name,
            units=weight.numel(),
            scored={layer.weight: _inputs_last},
            masked={layer.weight: partial(_back, shape=tuple(weight.shape))},
            shape=tuple(weight.shape),
            together=self.m,
        )


def _inputs_last(values: Tensor) -> Tensor:
    return values.movedim(1, -1).reshape(-1, 1)


def _back(keep: Tensor, shape: tuple[int, ...]) -> Tensor:
    return keep.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1).contiguous()
