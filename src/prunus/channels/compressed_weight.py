"""Weights stored without their zero rows and columns, so that the masked network is multiplied in less time.

Half of the channels gone means that three quarters of a masked layer's products are with zeros. The proof runs the
masked network in double precision, and takes twice as long where it makes all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

Size: TypeAlias = int | Sequence[int]

MOVED = 8
"""Products that must be saved for each number that is moved to save them."""

CALLS = 2**20
"""Products that take as long as the calls to save them."""

WRITTEN = 8
"""Products that take as long as to write down one number."""

DEPTHWISE = 12
"""Products that take as long as one of a depthwise convolution."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """What is left of the weight of a linear layer or a convolution, on the CPU, of which rows and columns are zero.

    whole: its size. left: its numbers without those rows and columns.
    rows, columns: indices of those that are left, of the first and the second dimension; None for all of them.
    """

    whole: torch.Size
    left: Tensor
    rows: Tensor | None
    columns: Tensor | None

    def dense(self) -> Tensor:
        """All numbers of the weight."""
        return _scattered(self.columns, 1, self.whole, _scattered(self.rows, 0, self.whole, self.left))


class CompressedWeight(Tensor):
    """A weight of which convolutions and linear layers multiply only what is left.

    It becomes dense as soon as another operation reads it, so that it is like any other tensor.
    """

    compressed: Compressed
    _is_param: bool
    _is_dense: bool

    @classmethod
    def of(cls, value: Compressed, is_parameter: bool) -> CompressedWeight:
        """is_parameter: whether it takes the place of one."""
        # One zero expanded to the whole size: the tensor takes no memory until somebody reads its numbers.
        weight: CompressedWeight = torch.Tensor._make_subclass(cls, value.left.new_zeros(()).expand(value.whole))
        weight.compressed, weight._is_param, weight._is_dense = value, is_parameter, False
        return weight

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            product = PRODUCTS.get(func)
            result = product(*args, **(kwargs or {})) if product and len(args) > 1 else None
            if result is not None:
                return result
            # Whatever reads numbers gets the dense weight, so that what is not in PRODUCTS is slower and never wrong.
            if func not in QUESTIONS:
                for each in pytree.tree_leaves((args, kwargs)):
                    if isinstance(each, CompressedWeight):
                        each.make_dense()
            return func(*args, **(kwargs or {}))

    def make_dense(self) -> None:
        """Write down all of its numbers."""
        if not self._is_dense:
            self._is_dense = True
            with _disable_current_modes():  # nothing of it may look like an operation of the network's
                self.data = self.compressed.dense()


QUESTIONS = frozenset(
    (*(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device")), Tensor.size, Tensor.dim, Tensor.__len__)
)
"""Operations that don't read a tensor's numbers."""


def _linear(x: Tensor, weight: Any, bias: Tensor | None = None) -> Tensor | None:
    """A linear layer, or None where the dense product is as good."""
    if not isinstance(weight, CompressedWeight):
        return None
    compressed = weight.compressed
    out, features = compressed.whole
    if not _is_worth(compressed, x.numel() // features, x.numel() + x.numel() // features * out):
        return None
    taken = x if compressed.columns is None else x.index_select(-1, compressed.columns)
    return _spread(functional.linear(taken, compressed.left, _of_rows(bias, compressed)), -1, compressed, bias)


def _convolution(
    x: Tensor,
    weight: Any,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor | None:
    """A convolution in two dimensions; None where the dense one is as good, or what is left fits no grouped one."""
    if not isinstance(weight, CompressedWeight) or x.dim() != 4:
        return None
    compressed = weight.compressed
    out, inner = compressed.whole[:2]
    is_depthwise = inner == 1 and out == groups  # then it is numbers that take the time, not products
    vertical, horizontal = (stride, stride) if isinstance(stride, int) else (stride[0], stride[-1])
    positions = len(x) * (x.shape[2] // vertical) * (x.shape[3] // horizontal)
    if not _is_worth(compressed, positions * (DEPTHWISE if is_depthwise else 1), x.numel() + out * positions):
        return None
    channels = compressed.columns if groups == 1 else compressed.rows if is_depthwise else None
    groups_left = 1 if groups == 1 else len(compressed.left)
    if groups > 1 and not is_depthwise:
        left = _groups_left(compressed, groups)
        if left is None:
            return None
        within = np.arange(inner) if compressed.columns is None else compressed.columns.numpy()
        channels, groups_left = torch.from_numpy((left[:, None] * inner + within).ravel()), len(left)
    taken = x if channels is None else x.index_select(1, channels)
    left_bias = _of_rows(bias, compressed)
    result = torch.conv2d(taken, compressed.left, left_bias, stride, padding, dilation, groups_left)
    return _spread(result, 1, compressed, bias)


PRODUCTS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    torch.conv2d: _convolution,
    torch.ops.aten.conv2d.default: _convolution,
    functional.linear: _linear,
    torch.ops.aten.linear.default: _linear,
}


def _scattered(indices: Tensor | None, dim: int, whole: torch.Size, left: Tensor) -> Tensor:
    """What is left, at its indices among zeros along a dimension."""
    if indices is None:
        return left
    size = list(left.shape)
    size[dim] = whole[dim]
    return left.new_zeros(size).index_copy_(dim, indices, left)


def _is_worth(weight: Compressed, positions: int, moved: int) -> bool:
    """Whether the products saved, at so many positions, are worth the numbers moved."""
    numbers = math.prod(weight.whole)
    return (numbers - weight.left.numel()) * positions + WRITTEN * numbers > CALLS + MOVED * moved


def _groups_left(weight: Compressed, groups: int) -> NDArray[np.int64] | None:
    """The groups of a convolution of which rows are left; None if these are not as many in each."""
    if weight.rows is None:
        return np.arange(groups)
    found, counts = np.unique(weight.rows.numpy() // (weight.whole[0] // groups), return_counts=True)
    return found if (counts == counts[0]).all() else None


def _of_rows(bias: Tensor | None, weight: Compressed) -> Tensor | None:
    return bias if bias is None or weight.rows is None else bias.index_select(0, weight.rows)


def _spread(result: Tensor, dim: int, weight: Compressed, bias: Tensor | None) -> Tensor:
    """The result of the rows that are left among those of the others, along a dimension: these are their bias."""
    if weight.rows is None:
        return result
    size = list(result.shape)
    size[dim] = weight.whole[0]
    whole = result.new_zeros(size)
    # Whether there are others is asked past torch: no operation of ours may look like a decision of the network's.
    if bias is not None and (others := bias.index_fill(0, weight.rows, 0)).detach().numpy().any():
        whole.movedim(dim, -1).copy_(others)
    return whole.index_copy_(dim, weight.rows, result)
