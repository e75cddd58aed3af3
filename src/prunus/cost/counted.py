"""The operations that are counted: a table from operation to the products that it consists of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from prunus.ops.macs import attention_macs, convolution_macs, matmul_macs


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


Products = tuple[Product, ...]


def _convolution(args: tuple[Any, ...], result: Any) -> Products:
    inputs, weight, transposed, groups = args[0], args[1], args[6], args[8]
    kind = f"conv{'_transpose' if transposed else ''}{weight.dim() - 2}d"
    return (_convolve(kind, inputs if transposed else result, weight, groups if transposed else None),)


def _deformable_convolution(args: tuple[Any, ...], result: Any) -> Products:
    return (_convolve("conv2d", result, args[1], None),)


def _convolve(kind: str, places: Tensor, weight: Tensor, transposed_groups: int | None) -> Product:
    positions = places.shape[0] * math.prod(places.shape[2:])
    macs = convolution_macs(positions, weight.shape)
    if transposed_groups is None:
        factor = Factor(weight, tuple(range(1, weight.dim())))
    else:  # (groups, in / groups, out / groups, *kernel): an output row is one index of the first and third
        factor = Factor(weight, (1, *range(3, weight.dim() + 1)), split=transposed_groups)
    return Product(kind, macs, factor.fan_in, (factor,))


def _matmul(left_place: int) -> Rule:
    """Matrices or batches of them at two neighbouring places of the arguments."""

    def rule(args: tuple[Any, ...], _: Any) -> Products:
        left, right = args[left_place], args[left_place + 1]
        batch = left.shape[0] if left.dim() == 3 else 1
        macs = matmul_macs(left.shape[-2], left.shape[-1], right.shape[-1], batch)
        factors = (Factor(left, (left.dim() - 1,)), Factor(right, (right.dim() - 2,)))
        return (Product("matmul", macs, left.shape[-1], factors),)

    return rule


def _grouped_matmul(args: tuple[Any, ...], result: Any) -> Products:
    """Rows, each times one of several matrices (groups, in, out): every row is multiplied once."""
    left, right = args[:2]
    macs = result.numel() * left.shape[-1]
    return (
        Product("matmul", macs, left.shape[-1], (Factor(left, (left.dim() - 1,)), Factor(right, (right.dim() - 2,)))),
    )


def _matrix_vector(left_place: int) -> Rule:
    def rule(args: tuple[Any, ...], _: Any) -> Products:
        left, right = args[left_place], args[left_place + 1]
        factors = (Factor(right, (0,)), Factor(left, (left.dim() - 1,)))
        return (Product("matmul", left.numel(), left.shape[-1], factors),)

    return rule


def _whole_attention(args: tuple[Any, ...], _: Any) -> Products:
    """Before a kernel is chosen, for queries (..., length, head size); heads may share keys and values."""
    query, key, value = args[:3]
    return _attended(math.prod(query.shape[:-2]), query.shape[-2], key.shape[-2], query.shape[-1], value.shape[-1])


def _attention(heads: int, length: int) -> Rule:
    """For queries (batch, ..., head size) with the axes named."""

    def rule(args: tuple[Any, ...], _: Any) -> Products:
        query, key, value = args[:3]
        batch = query.shape[0] * query.shape[heads]
        return _attended(batch, query.shape[length], key.shape[length], query.shape[-1], value.shape[-1])

    return rule


def _attended(batch: int, queries: int, keys: int, size: int, value_size: int) -> Products:
    """Query times key and weights times value."""
    first, second = attention_macs(queries, keys, size, value_size, batch)
    return Product("attention", first, size), Product("attention", second, keys)


def _recurrent_layer(args: tuple[Any, ...], _: Any) -> Products:
    """One direction of one layer: input (time, batch, features) by one matrix, the state by the other."""
    steps = args[0].shape[0] * args[0].shape[1]
    return tuple(
        Product("recurrent", convolution_macs(steps, weight.shape), weight.shape[1], (Factor(weight, (1,)),))
        for weight in args[1:3]
    )


COUNTED: dict[str, Rule] = {
    "aten.convolution": _convolution,
    "aten._convolution": _convolution,
    "torchvision.deform_conv2d": _deformable_convolution,
    "aten.mm": _matmul(0),
    "aten.bmm": _matmul(0),
    "aten._int_mm": _matmul(0),
    "aten._scaled_mm": _matmul(0),
    "aten._grouped_mm": _grouped_matmul,
    "transformers.grouped_mm_fallback": _grouped_matmul,
    "aten.addmm": _matmul(1),
    "aten._addmm_activation": _matmul(1),
    "aten.baddbmm": _matmul(1),
    "aten.addbmm": _matmul(1),
    "aten.mv": _matrix_vector(0),
    "aten.addmv": _matrix_vector(1),
    "aten.dot": _matrix_vector(0),
    "aten.vdot": _matrix_vector(0),
    "aten.scaled_dot_product_attention": _whole_attention,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention(heads=1, length=2),
    "aten._scaled_dot_product_flash_attention": _attention(heads=1, length=2),
    "aten._scaled_dot_product_efficient_attention": _attention(heads=1, length=2),
    "aten._scaled_dot_product_cudnn_attention": _attention(heads=1, length=2),
    "aten._scaled_dot_product_fused_attention_overrideable": _attention(heads=1, length=2),
    "aten._scaled_dot_product_attention_math_for_mps": _attention(heads=1, length=2),
    "aten._efficient_attention_forward": _attention(heads=2, length=1),
    "aten.mkldnn_rnn_layer": _recurrent_layer,
}
