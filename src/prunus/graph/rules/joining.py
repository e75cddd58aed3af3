"""Operations that put tensors together or take them apart: an integer map of positions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from prunus.graph.axes import Axes, Axis, kept_axis
from prunus.graph.operation import Operation, combined_origins
from prunus.graph.reshape import split


def concatenated(op: Operation) -> Axes:
    """Tensors one after the other along one dimension."""
    parts = [part for part in op.args[0] if part.shape != (0,)]
    d = op.dimension(1, 0, parts[0].rank)
    return Axes(
        tuple(_one_after_the_other(parts, i) if i == d else _all_equal(op, parts, i) for i in range(parts[0].rank))
    )


def _one_after_the_other(parts: Sequence[Axes], d: int) -> Axis:
    axes = [part[d] for part in parts]
    return Axis(
        np.concatenate([axis.labels for axis in axes]),
        all(axis.fills() for axis in axes),
        combined_origins(axes, parts),
    )


def _all_equal(op: Operation, parts: Sequence[Axes], d: int) -> Axis:
    axes = [part[d] for part in parts]
    for other in axes[1:]:
        op.join(axes[0], other)
    return Axis(axes[0].labels, all(axis.fills() for axis in axes), combined_origins(axes, parts))


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
    return Axes(tuple(axis.vanishing(axis.vanishes and value == 0) for axis in x.axes))


def _with_ends(op: Operation, axis: Axis, left: int, right: int) -> Axis:
    if axis.is_kept:
        return kept_axis(axis.size + left + right)
    ends = op.labels.fresh(left), op.labels.fresh(right)
    return Axis(np.concatenate([ends[0], axis.labels, ends[1]]), axis.vanishes)
