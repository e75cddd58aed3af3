"""Weights of which whole rows and columns are zero: products with them are made of what is left alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

MOVED = 8
"""Products that must be saved for each number that is moved to save them."""

CALLS = 2**20
"""Products that take as long as the calls to save them."""

WRITTEN = 8
"""Products that take as long as to write down one number."""

DEPTHWISE = 12
"""Products that take as long as one of a depthwise convolution."""


@dataclass(frozen=True, eq=False)
class Hollow:
    """The weight of a linear layer or a convolution, on the CPU, of which some rows and columns are zero.

    whole: its size. left: what is left.
    rows, columns: those that are left, of the first and the second dimension; None for all of them.
    """

    whole: torch.Size
    left: Tensor
    rows: Tensor | None
    columns: Tensor | None

    def written(self) -> Tensor:
        """All of its numbers."""
        return _at(self.columns, 1, self.whole, _at(self.rows, 0, self.whole, self.left))


def _at(places: Tensor | None, dim: int, whole: torch.Size, left: Tensor) -> Tensor:
    """What is left, at its places among zeros along a dimension."""
    if places is None:
        return left
    size = list(left.shape)
    size[dim] = whole[dim]
    return left.new_zeros(size).index_copy_(dim, places, left)


def linear(x: Tensor, weight: Hollow, bias: Tensor | None = None) -> Tensor | None:
    """A linear layer with such a weight, or None where the whole of it is as good."""
    out, features = weight.whole
    places = x.numel() // features
    if not _is_worth(weight, places, x.numel() + places * out):
        return None
    taken = x if weight.columns is None else x.index_select(-1, weight.columns)
    return _spread(functional.linear(taken, weight.left, _of_rows(bias, weight)), -1, weight, bias)


def convolution(
    x: Tensor, weight: Hollow, bias: Tensor | None, places: int, groups: int, how: Callable[..., Tensor]
) -> Tensor | None:
    """A convolution with such a weight, or None where the whole of it is as good, or what is left is in no order.

    places: of the window. how: the convolution of input, weight, bias and groups.
    """
    out, inner = weight.whole[:2]
    is_depthwise = inner == 1 and out == groups  # then it is numbers that take the time, not products
    if not _is_worth(weight, places * (DEPTHWISE if is_depthwise else 1), x.numel() + out * places):
        return None
    channels = weight.columns if groups == 1 else weight.rows if is_depthwise else None
    count = 1 if groups == 1 else len(weight.left)
    if groups > 1 and not is_depthwise:
        left = _groups_left(weight, groups)
        if left is None:
            return None
        within = np.arange(inner) if weight.columns is None else weight.columns.numpy()
        channels, count = torch.from_numpy((left[:, None] * inner + within).ravel()), len(left)
    taken = x if channels is None else x.index_select(1, channels)
    return _spread(how(taken, weight.left, _of_rows(bias, weight), count), 1, weight, bias)


def _is_worth(weight: Hollow, places: int, moved: int) -> bool:
    """Whether the products saved, at so many places, are worth the numbers moved."""
    numbers = math.prod(weight.whole)
    return (numbers - weight.left.numel()) * places + WRITTEN * numbers > CALLS + MOVED * moved


def _groups_left(weight: Hollow, groups: int) -> NDArray[np.int64] | None:
    """The groups of a convolution of which rows are left; None if these are not as many in each."""
    if weight.rows is None:
        return np.arange(groups)
    found, counts = np.unique(weight.rows.numpy() // (weight.whole[0] // groups), return_counts=True)
    return found if (counts == counts[0]).all() else None


def _of_rows(bias: Tensor | None, weight: Hollow) -> Tensor | None:
    return bias if bias is None or weight.rows is None else bias.index_select(0, weight.rows)


def _spread(result: Tensor, dim: int, weight: Hollow, bias: Tensor | None) -> Tensor:
    """The result of the rows that are left among those of the others, along a dimension: these are their bias."""
    if weight.rows is None:
        return result
    size = list(result.shape)
    size[dim] = weight.whole[0]
    whole = result.new_zeros(size)
    if bias is not None and (others := bias.index_fill(0, weight.rows, 0)).count_nonzero():
        whole.movedim(dim, -1).copy_(others)
    return whole.index_copy_(dim, weight.rows, result)
