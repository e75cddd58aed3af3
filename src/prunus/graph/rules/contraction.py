"""Products that are summed up: linear layers, matrix products, einsum, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prunus.graph.axes import Axes, Axis, kept_axis
from prunus.graph.operation import Operation, combined_origins


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
        if letter not in out:
            op.contract(wide) if wide else None
        elif not wide:
            result[letter] = kept_axis(1)
        else:
            for axis in wide[1:]:
                op.join(wide[0], axis)
            result[letter] = Axis(wide[0].labels, any(axis.vanishes for axis in wide), combined_origins(wide, operands))
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
    return others.with_axis(dimension, own.vanishing(own.vanishes and shift.vanishes)).activation()


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
    """Several heads of the queries share one of keys and values; removing keeps their ratio."""
    place = query.rank - 3
    times = query[place].size // shared[place].size
    return shared.with_axis(place, replace(shared[place], labels=shared[place].labels.repeat(times)))


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
