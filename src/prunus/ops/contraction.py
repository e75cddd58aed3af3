"""Products that are summed up: linear layers, matrix products, einsum, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from prunus.graph.node import Node, Shape
from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.ops.creating import unknown
from prunus.ops.macs import attention_macs
from prunus.ops.operation import Operation, combined_origins
from prunus.ops.row import OpRow, Site, alike, bare

ROW_BYTES = 16
"""The bytes of which the rows of a grouped product's tensors are multiples."""


def product_sum(op: Operation, operands: Sequence[Axes], letters: Sequence[str], out: str) -> Axes:
    """A contraction in Einstein's notation, one letter per dimension.

    A letter of the result is a channel of every factor that has it; the others are summed over.
    """
    meeting: dict[str, list[Axis]] = {}
    for operand, names in zip(operands, letters, strict=True):
        for axis, letter in zip(operand.axes, names, strict=True):
            meeting.setdefault(letter, []).append(axis)
    result: dict[str, Axis] = {}
    for letter, found in meeting.items():
        wide = [axis for axis in found if axis.size != 1]
        # Summed over: `contract` asks that one of the factors be zero where a channel is removed.
        if letter not in out:
            op.contract(wide) if wide else None
        elif not wide:
            result[letter] = kept_axis(1)
        else:
            for axis in wide[1:]:
                op.join(wide[0], axis)
            result[letter] = Axis(
                wide[0].labels,
                any(axis.zero_when_removed for axis in wide),
                combined_origins(wide, operands),
                batch=any(axis.batch for axis in wide),
            )
    return Axes(tuple(result[letter] for letter in out))


def add_bias(op: Operation, axes: Axes, bias: Axes | None) -> Axes:
    """Add a vector along the last dimension; the result is zero there only where both are."""
    if bias is None:
        return axes
    last, shift = axes[axes.rank - 1], bias[bias.rank - 1]
    op.join(last, shift)
    return with_bias(axes, axes.rank - 1, shift)


def with_bias(axes: Axes, dimension: int, shift: Axis) -> Axes:
    """A bias along one dimension makes the others nowhere zero."""
    own = axes[dimension]
    others = axes.untied_zero()
    return others.with_axis(dimension, own.with_zero(own.zero_when_removed and shift.zero_when_removed)).activation()


def linear(op: Operation) -> Axes:
    """Last dimension of the input against the weight's second; the weight's first is the result's last."""
    x, weight = op.args[0], op.args[1]
    batch = "".join(chr(ord("A") + i) for i in range(x.rank - 1))
    product = product_sum(op, (x, weight), (batch + "i", "oi"[2 - weight.rank :]), batch + "o" * (weight.rank - 1))
    return add_bias(op, product, op.get(2))


def matmul(op: Operation) -> Axes:
    """Matrix product with broadcasting over leading dimensions."""
    left, right = op.args[0], op.args[1]
    return matrix_product(op, left, right)


def matrix_product(op: Operation, left: Axes, right: Axes) -> Axes:
    """Product of two stacks of matrices, or vectors."""
    batch = max(left.rank, right.rank) - 2
    names = "".join(chr(ord("A") + i) for i in range(max(batch, 0)))
    a = _names(names, left.rank, "ik" if left.rank > 1 else "k")
    b = _names(names, right.rank, "kj" if right.rank > 1 else "k")
    return product_sum(op, (left, right), (a, b), names + "i" * (left.rank > 1) + "j" * (right.rank > 1))


def _names(batch: str, rank: int, matrix: str) -> str:
    leading = rank - len(matrix)
    return (batch[len(batch) - leading :] if leading else "") + matrix


def addmm(op: Operation) -> Axes:
    """A bias plus a matrix product."""
    bias, product = op.args[0], matrix_product(op, op.args[1], op.args[2])
    if bias.rank <= 1:
        return add_bias(op, product, bias)
    for one, other in zip(product.axes[-bias.rank :], bias.axes, strict=True):
        if other.size != 1:
            op.join(one, other)
    return product.untied_zero().activation()


def einsum(op: Operation) -> Axes:
    """Einstein summation; an ellipsis stands for the leading dimensions that are left."""
    equation, operands = str(op.args[0]).replace(" ", ""), list(op.args[1])
    inputs, _, out = equation.partition("->")
    letters = inputs.split(",")
    if "->" not in equation:
        every = inputs.replace(",", "").replace("...", "")
        out = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(every) if every.count(c) == 1))
    dots = [operand.rank - len(names.replace("...", "")) for operand, names in zip(operands, letters, strict=True)]
    spare = "".join(chr(0x100 + i) for i in range(max(dots, default=0)))
    spelled = [names.replace("...", spare[len(spare) - count :]) for names, count in zip(letters, dots, strict=True)]
    return product_sum(op, operands, spelled, out.replace("...", spare))


def attention(op: Operation) -> Axes:
    """Scaled dot-product attention: leading dimensions (heads) meet, queries and keys are contracted."""
    query, key, value = op.args[0], op.args[1], op.args[2]
    mask = op.get(3, None, "attn_mask")
    if op.get(7, op.kwargs.get("enable_gqa", False), "enable_gqa"):
        key, value = (_grouped_heads(query, x) for x in (key, value))
    weights = matrix_product(op, query, Axes((*key.axes[:-2], key[key.rank - 1], key[key.rank - 2])))
    op.pin(weights.axes[-1:], "a softmax over channels")
    if mask is not None:
        for axis, other in zip(weights.axes[-mask.rank :], mask.axes, strict=False):
            if axis.size == other.size != 1:
                op.join(axis, other)
    return matrix_product(op, weights.untied_zero(), value)


def _grouped_heads(query: Axes, shared: Axes) -> Axes:
    """Several heads of the queries share one of keys and values; removing keeps their ratio, unless there is one."""
    place = query.rank - 3
    if shared[place].size == 1:
        return shared
    times = query[place].size // shared[place].size
    return shared.with_axis(place, replace(shared[place], labels=shared[place].labels.repeat(times)))


def grouped(op: Operation) -> Axes:
    """Rows that are sorted by group, each group times the matrix of its number: experts to which a router dispatches.

    The kernel takes rows of so many bytes only that they begin at multiples of 16.
    """
    x, weight, ends = op.args[0], op.args[1], op.get(2, None, "offs")
    if (x.rank, weight.rank) != (2, 3) or op.get(3, None, "bias") is not None:
        return unknown(op)  # type: ignore[return-value]
    op.pin((x[0], weight[0], *(ends.axes if ends else ())), "rows chosen by their number")
    product = product_sum(op, (x, Axes(weight.axes[1:])), ("si", "io"), "so")
    for name, axis in (("rows", x[1]), ("result", product[1])):
        op.align(name, axis, max(1, ROW_BYTES // op.node.output.dtype.itemsize))
    return product.activation()


def bilinear(op: Operation) -> Axes:
    """Two inputs against a weight of three dimensions."""
    left, right, weight = op.args[:3]
    batch = "".join(chr(ord("A") + i) for i in range(left.rank - 1))
    product = product_sum(op, (left, right, weight), (batch + "i", batch + "j", "oij"), batch + "o")
    return add_bias(op, product, op.get(3))


def outer(op: Operation) -> Axes:
    """All products of two vectors."""
    return product_sum(op, op.args[:2], ("i", "j"), "ij")


def cosine_similarity(op: Operation) -> Axes:
    """Products summed up, and both lengths, which zeros leave as they are."""
    left, right = op.args[:2]
    dim = op.dimension(2, 1, left.rank)
    if left.shape != right.shape:
        op.pin((*left.axes, *right.axes), "a similarity with broadcasting")
        return Axes(tuple(kept_axis(size) for size in op.shape))
    letters = "".join(chr(ord("A") + i) for i in range(left.rank))
    for tensor in (left, right):
        op.contract([tensor[dim]])
    return product_sum(op, (left, right), (letters, letters), letters[:dim] + letters[dim + 1 :]).untied_zero()


def _matmul_macs(result: Shape, left: Shape, *_: Any) -> int:
    return math.prod(result) * left[-1]


def _addmm_macs(result: Shape, _: Shape, left: Shape, *__: Any) -> int:
    return math.prod(result) * left[-1]


def _attention_macs(_: Shape, query: Shape, key: Shape, value: Shape, *__: Any) -> int:
    return sum(attention_macs(query[-2], key[-2], query[-1], value[-1], math.prod(query[:-2])))


def _einsum_macs(_: Shape, equation: str, operands: Sequence[Shape]) -> int:
    inputs = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for letters, shape in zip(inputs, operands, strict=True):
        for letter, size in zip(letters, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values())


def _fixed_scale(site: Site) -> Node:
    """Attention divides by the square root of a head's size: of the original size, whatever is left of it."""
    if site.node.kwargs.get("scale") is not None:
        return site.node
    scale = 1 / math.sqrt(site.args[0].shape[-1])
    return replace(site.node, kwargs={**site.node.kwargs, "scale": scale})


def _linear_result(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    out, features = weight.shape if weight.dim() == 2 else (0, 0)
    fits = x.dim() > 1 and x.shape[-1] == features and (bias is None or bias.shape == (out,))
    return bare(x, (*x.shape[:-1], out)) if fits and alike(x, weight, bias) else None


def _grouped_result(x: Tensor, weight: Tensor, offs: Tensor | None = None, *more: Any, **how: Any) -> Tensor | None:
    """Torch itself takes nothing but half precision where there are no values."""
    plain = (x.dim(), weight.dim()) == (2, 3) and offs is not None and not more and not any(how.values())
    return bare(x, (x.shape[0], weight.shape[2])) if plain and alike(x, weight) else None


def _attention_result(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *_: Any, **how: Any
) -> Any:
    batch, length = query.shape[:-2], key.shape[-2]
    same = (
        key.shape[:-2] == value.shape[:-2] == batch and key.shape[-1] == query.shape[-1] and value.shape[-2] == length
    )
    weights = (*batch, query.shape[-2], length)
    shown = mask is None or np.broadcast_shapes(mask.shape, weights) == weights
    if not same or not shown or how.get("enable_gqa") or not alike(query, key, value):
        return None
    return bare(query, (*query.shape[:-1], value.shape[-1]))


ROWS = (
    OpRow("linear", linear, macs=_matmul_macs, result=_linear_result),
    OpRow("matmul mm bmm mv dot", matmul, macs=_matmul_macs),
    OpRow("addmm baddbmm", addmm, macs=_addmm_macs),
    OpRow("addbmm", addmm, macs=None),
    OpRow("einsum", einsum, macs=_einsum_macs),
    OpRow("scaled_dot_product_attention", attention, _fixed_scale, macs=_attention_macs, result=_attention_result),
    OpRow("_grouped_mm grouped_mm_fallback", grouped, macs=_matmul_macs, result=_grouped_result),
    OpRow("bilinear", bilinear, macs=None),
    OpRow("outer ger", outer),
    OpRow("cosine_similarity", cosine_similarity),
)
