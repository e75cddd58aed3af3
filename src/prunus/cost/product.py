"""What a counted operation consists of: products of two factors, one of which may be a weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Factor:
    """An operand that may be a weight.

    summed: the dimensions that run along one output row. split: the size of a first dimension to split off before
    (the groups of a transposed convolution, whose output rows are spread over two dimensions).
    """

    tensor: Tensor
    summed: tuple[int, ...]
    split: int | None = None

    @property
    def arranged(self) -> Tensor:
        """The tensor as `summed` counts its dimensions."""
        if self.split is None:
            return self.tensor
        return self.tensor.reshape(self.split, -1, *self.tensor.shape[1:])

    @property
    def fan_in(self) -> int:
        """Elements of one output row."""
        shape = self.arranged.shape
        return math.prod(shape[dimension] for dimension in self.summed)


@dataclass(frozen=True, eq=False)
class Product:
    """MACs of one call. Every element of a factor is used equally often.

    fan_in: the length of the sums. factors: operands that may be weights, the likelier one last.
    """

    kind: str
    macs: int
    fan_in: int
    factors: tuple[Factor, ...] = ()


Rule = Callable[[tuple[Any, ...], Any], tuple[Product, ...]]
"""(positional arguments, result) of an operation -> its products."""
