"""Operations that put tensors together or take them apart: an integer map of positions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunus.graph.node import Node
from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.labels.reshape import split
from prunus.ops.operation import Operation, combined_origins
from prunus.ops.row import OpRow, Site, alike, bare


def concatenated(op: Operation) -> Axes:
    """Tensors one after the other along one dimension."""
    parts = [part for part in op.args[0] if part.shape != (0,)] or list(op.args[0])
    d = op.dimension(1, 0, parts[0].rank)
    return Axes(
        tuple(_one_after_the_other(parts, i) if i == d else _all_equal(op, parts, i) for i in range(parts[0].rank))
    )


def _one_after_the_other(parts: Sequence[Axes], d: int) -> Axis:
    axes = [part[d] for part in parts]
    return Axis(
        np.concatenate([axis.labels for axis in axes]),
        all(axis.holds_zeros() for axis in axes),
        combined_origins(axes, parts),
    )


def _all_equal(op: Operation, parts: Sequence[Axes], d: int) -> Axis:
    axes = [part[d] for part in parts]
    for other in axes[1:]:
        op.join(axes[0], other)
    return Axis(
        axes[0].labels,
        all(axis.holds_zeros() for axis in axes),
        combined_origins(axes, parts),
        batch=any(axis.batch for axis in axes),
    )


def stacked(op: Operation) -> Axes:
    """Tensors of one shape along a new dimension."""
    parts = list(op.args[0])
    d = op.dimension(1, 0, parts[0].rank + 1)
    axes = [_all_equal(op, parts, i) for i in range(parts[0].rank)]
    axes.insert(d, kept_axis(len(parts)))
    return Axes(tuple(axes))


def chunked(op: Operation) -> tuple[Axes, ...]:
    """Equal parts: the same places of every part are removed, so that they stay equal."""
    x: Axes = op.args[0]
    d = op.dimension(2, 0, x.rank)
    sizes = [shape[d] for shape in op.shapes]
    if sizes[0] == 1:
        op.pin([x[d]], "parts of a single channel")
    elif len(set(sizes)) == 1 and len(sizes) > 1:
        part, _ = split(op.labels, x[d], (len(sizes), sizes[0]), f"equal parts at {op.node}")
        op.pin([part], "equal parts of one tensor")
    return _parts(op, x, d, sizes)


def parted(op: Operation) -> tuple[Axes, ...]:
    """Parts of given sizes."""
    x: Axes = op.args[0]
    d = op.dimension(2, 0, x.rank)
    return _parts(op, x, d, [shape[d] for shape in op.shapes])


def _parts(op: Operation, x: Axes, d: int, sizes: Sequence[int]) -> tuple[Axes, ...]:
    edges = np.cumsum([0, *sizes])
    return tuple(x.with_axis(d, op.part(x[d].take(np.arange(a, b)))) for a, b in pairwise(edges.tolist()))


def unbound(op: Operation) -> tuple[Axes, ...]:
    """One tensor per position of a dimension."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    op.pin([x[d]], "taken apart one by one")
    return tuple(_without(x, d) for _ in range(x[d].size))


def _without(x: Axes, d: int) -> Axes:
    return Axes(tuple(axis for i, axis in enumerate(x.axes) if i != d))


def selected(op: Operation) -> Axes:
    """One position of a dimension."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    op.pin([x[d]], "one position chosen by its number")
    return _without(x, d)


def sliced(op: Operation) -> Axes:
    """A range of positions."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    start, stop, step = (op.get(place, default) for place, default in ((2, None), (3, None), (4, 1)))
    return _range(op, x, d, slice(start, stop, step))


def narrowed(op: Operation) -> Axes:
    """A range given by start and length."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    if isinstance(op.args[2], Axes):
        op.pin([x[d]], "a range that begins where a tensor says")
        return x.with_axis(d, kept_axis(op.shape[d]))
    start = int(op.args[2])
    return _range(op, x, d, slice(start, start + int(op.args[3])))


def _range(op: Operation, x: Axes, d: int, positions: slice) -> Axes:
    chosen = np.arange(x[d].size)[positions]
    if positions.step not in (None, 1) and len(chosen) < x[d].size:
        op.pin([x[d]], "every so many channels")
    taken = x[d].take(chosen)
    return x.with_axis(d, op.part(taken) if len(chosen) < x[d].size else taken)


def indexed(op: Operation) -> Axes:
    """Positions chosen by tensors of integers; dimensions without one pass through."""
    x, indices = op.args[0], list(op.args[1])
    by = [i for i, index in enumerate(indices) if index is not None]
    op.pin([x[i] for i in by], "positions chosen by their number")
    for index in op.tensors()[1:]:
        op.pin(index.axes, "numbers of positions")
    ranks = [index.rank for index in indices if index is not None]
    # As NumPy has it: what indices that stand side by side choose comes where they stand, else in front.
    together = by == list(range(by[0], by[-1] + 1))
    rest = [axis for i, axis in enumerate(x.axes) if i not in by]
    before = by[0] if together else 0
    if len(op.shape) != len(rest) + max(ranks):
        return _lost(op, x)
    middle = [kept_axis(size) for size in op.shape[before : before + max(ranks)]]
    return Axes((*rest[:before], *middle, *rest[before:]))


def _lost(op: Operation, x: Axes) -> Axes:
    op.pin(x.axes, "an index that can't be followed")
    return Axes(tuple(kept_axis(size) for size in op.shape))


def index_selected(op: Operation) -> Axes:
    """Positions of one dimension chosen by a list."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    op.pin([x[d]], "positions chosen by their number")
    return x.with_axis(d, kept_axis(op.shape[d]))


def embedded(op: Operation) -> Axes:
    """Rows of a table, chosen by numbers."""
    table, numbers = op.args[0], op.args[1]
    op.pin([table[0], *numbers.axes], "rows chosen by their number")
    return Axes((*numbers.axes, replace(table[1], origins=frozenset())))


def padded(op: Operation) -> Axes:
    """Positions added at the ends; channels of zeros can be removed like any other."""
    x: Axes = op.args[0]
    amounts = [int(amount) for amount in op.args[1]]
    zero = op.node.kind == "constant_pad_nd" or (op.get(2, "constant") == "constant" and op.node.kind == "pad")
    value = op.get(2 if op.node.kind == "constant_pad_nd" else 3, 0) or 0
    for k in range(len(amounts) // 2):
        d = x.rank - 1 - k
        left, right = amounts[2 * k : 2 * k + 2]
        if left == right == 0:
            continue
        if min(left, right) < 0 or not zero or value != 0:
            op.pin([x[d]], "padding that can't be followed")
            x = x.with_axis(d, kept_axis(op.shape[d]))
        else:
            x = x.with_axis(d, _with_ends(op, x[d], left, right))
    return Axes(tuple(axis.with_zero(axis.zero_when_removed and value == 0) for axis in x.axes))


def _with_ends(op: Operation, axis: Axis, left: int, right: int) -> Axis:
    if axis.is_kept:
        return kept_axis(axis.size + left + right)
    ends = op.labels.fresh(left), op.labels.fresh(right)
    return Axis(np.concatenate([ends[0], axis.labels, ends[1]]), axis.zero_when_removed)


def _split_sizes(site: Site) -> Node:
    """Chunks and equal parts become parts of given sizes."""
    place = 2 if len(site.node.args) > 2 else None
    dim = int(site.node.args[place] if place else site.node.kwargs.get("dim", 0)) % site.args[0].rank
    # What is left of the parts need not be of one size, which a chunk or a split by one size would ask for.
    sizes = [site.kept.count(part[dim]) for part in site.results]
    return replace(site.node, op="aten.split_with_sizes.default", args=(site.node.args[0], sizes, dim), kwargs={})


def _slice_ends(site: Site) -> Node:
    x, args = site.args[0], site.node.args
    dim = int(args[1] if len(args) > 1 else 0) % x.rank
    start, stop, _ = slice(*(args[2:4] if len(args) > 2 else (None, None))).indices(x[dim].size)
    count = site.kept.before
    if site.kept.count(x[dim]) == x[dim].size:
        return site.node
    return replace(site.node, args=(args[0], dim, count(x[dim], start), count(x[dim], stop), *args[4:]))


def _narrow_ends(site: Site) -> Node:
    x, args = site.args[0], site.node.args
    if isinstance(site.args[2], Axes):
        return site.node
    dim, start = int(args[1]) % x.rank, int(args[2])
    first, last = site.kept.before(x[dim], start), site.kept.before(x[dim], start + int(args[3]))
    return site.with_args({2: first, 3: last - first})


def _pad_amounts(site: Site) -> Node:
    x, result, amounts = site.args[0], site.results[0], list(site.node.args[1])
    for k in range(len(amounts) // 2):
        dim = x.rank - 1 - k
        left, right = amounts[2 * k], amounts[2 * k + 1]
        if site.kept.count(result[dim]) != result[dim].size:
            amounts[2 * k] = site.kept.before(result[dim], left)
            amounts[2 * k + 1] = site.kept.count(result[dim]) - site.kept.before(result[dim], result[dim].size - right)
    return site.with_args({1: amounts})


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    shape = list(first.shape)
    fits = alike(*tensors) and all(tensor.dim() == len(shape) and tensor.is_contiguous() for tensor in tensors)
    others = {(*tensor.shape[:dim], *tensor.shape[dim:][1:]) for tensor in tensors}
    if not fits or len(others) > 1 or dim < 0:
        return None
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return bare(first, shape)


def _rows(table: Tensor, numbers: Tensor, *_: Any) -> Tensor | None:
    plain = table.dim() == 2 and numbers.dtype == torch.int64 and numbers.is_contiguous()
    return bare(table, (*numbers.shape, table.shape[1])) if plain else None


ROWS = (
    OpRow("cat", concatenated, result=_joined),
    OpRow("concat concatenate", concatenated),
    OpRow("stack", stacked),
    OpRow("chunk", chunked, _split_sizes, is_view=True),
    OpRow("split split_with_sizes tensor_split unsafe_split", parted, _split_sizes, is_view=True),
    OpRow("unbind", unbound, is_view=True),
    OpRow("select", selected, is_view=True),
    OpRow("slice", sliced, _slice_ends, is_view=True),
    OpRow("narrow", narrowed, _narrow_ends, is_view=True),
    OpRow("index", indexed, samples="placed"),
    OpRow("index_select", index_selected, samples="placed"),
    OpRow("embedding", embedded, result=_rows, samples="placed"),
    OpRow("constant_pad_nd pad", padded, _pad_amounts),
)
