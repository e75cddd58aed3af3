"""Positions of one dimension chosen, or written to, by tensors of numbers: experts, messages between nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prunus.labels.axes import Axes, Axis, kept, kept_axis
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow


def gathered(op: Operation) -> Axes:
    """For each place of the index one element of that row; along the other dimensions both lose the same channels."""
    x: Axes = op.args[0]
    return _along(op, [x, op.args[2]], op.dimension(1, 0, x.rank), x)


def scattered(op: Operation) -> Axes:
    """Elements written to, or added at, numbered places of a tensor."""
    x: Axes = op.args[0]
    values = _values(op, 3)
    return _along(op, op.tensors(), op.dimension(1, 0, x.rank), *((x, *values) if values else ()))


def added(op: Operation) -> Axes:
    """Slices written to, or added at, numbered places of a tensor; the numbers are a plain list."""
    x, numbers = op.args[0], op.args[2]
    op.pin(numbers.axes, "numbers of positions")
    return _along(op, [x, *_values(op, 3)], op.dimension(1, 0, x.rank), x, *_values(op, 3))


def put(op: Operation) -> Axes:
    """Values written to places chosen by masks or numbers; behind the dimensions that these choose from, as behind the
    last one, `x` and the values have the same channels.
    """
    x, indices, values = op.args[0], op.args[1], op.args[2]
    chosen = [(place, index) for place, index in enumerate(indices) if index is not None]
    behind = max(place + max(1, index.rank) for place, index in chosen)  # a mask chooses from all of its dimensions
    op.pin([axis for _, index in chosen for axis in index.axes], "numbers of positions")
    op.pin([*x.axes[:behind], *values.axes[: max(0, values.rank - (x.rank - behind))]], "positions chosen by number")
    axes = [kept_axis(size) for size in x.shape[:behind]]
    for dim in range(max(behind - x.rank, -x.rank), 0):
        spread = values.rank < -dim or values[dim].size != x[dim].size
        if not spread:
            op.join(x[dim], values[dim])
        axes.append(Axis(x[dim].labels, not spread and x[dim].holds_zeros() and values[dim].holds_zeros()))
    return Axes(tuple(axes))


def masked(op: Operation) -> Axes:
    """Values written one after the other to places that a mask chooses.

    Behind the last dimension along which the mask varies, whole rows are written: there the tensor and the values have
    the same channels.
    """
    x, mask, values = op.args[:3]
    rows = 0
    while rows < min(x.rank, values.rank) and _is_row(x, mask, values, -1 - rows):
        rows += 1
    op.pin([*x.axes[: x.rank - rows], *values.axes[: values.rank - rows]], "positions chosen by a mask")
    op.pin(mask.axes[: max(0, mask.rank - rows)], "positions chosen by a mask")
    axes = list(kept(x.shape[: x.rank - rows]).axes)
    for dim in range(-rows, 0):
        for other in (values, mask) if mask.rank >= -dim and mask[dim].size > 1 else (values,):
            op.join(x[dim], other[dim])
        axes.append(Axis(x[dim].labels, x[dim].holds_zeros() and values[dim].holds_zeros()))
    return Axes(tuple(axes))


def _is_row(x: Axes, mask: Axes, values: Axes, dim: int) -> bool:
    """Whether the mask chooses all positions of a dimension or none, and the values have as many."""
    repeats = mask.rank < -dim or mask[dim].size == 1 or mask[dim].repeats
    return repeats and x[dim].size == values[dim].size


def _values(op: Operation, place: int) -> list[Axes]:
    return [value for value in op.args[place : place + 1] if isinstance(value, Axes)]


def _along(op: Operation, operands: Sequence[Axes], dim: int, *sources: Axes) -> Axes:
    """Nothing of the dimension can be removed; along the others all operands have the same channels."""
    axes = []
    for d, size in enumerate(op.shape):
        meeting = [operand[d] for operand in operands if operand.rank > d]
        if d == dim or any(axis.size != size for axis in meeting):
            op.pin(meeting, "positions chosen by their number")
            axes.append(kept_axis(size))
        else:
            for other in meeting[1:]:
                op.join(meeting[0], other)
            axes.append(Axis(meeting[0].labels, bool(sources) and all(source[d].holds_zeros() for source in sources)))
    return Axes(tuple(axes))


def sampled(op: Operation) -> Axes:
    """Pixels interpolated at the places of a grid."""
    x, grid = op.args[0], op.args[1]
    op.pin((*x.axes[2:], *grid.axes), "pixels sampled along channels")
    return Axes((*x.axes[:2], *(kept_axis(size) for size in op.shape[2:]))).activation()


def bags(op: Operation) -> tuple[Axes, ...]:
    """Sums or averages of rows of a table, chosen by numbers."""
    table, *numbers = op.tensors()
    op.pin((table[0], *(axis for tensor in numbers for axis in tensor.axes)), "rows chosen by their number")
    rows = Axes((kept_axis(op.shape[0]), replace(table[1], origins=frozenset())))
    return (rows, *(kept(shape) for shape in op.shapes[1:]))


ROWS = (
    OpRow("gather", gathered, samples="placed"),
    OpRow("scatter scatter_add", scattered, samples="placed"),
    OpRow("scatter_reduce", scattered),
    OpRow("index_add index_copy", added, samples="placed"),
    OpRow("index_put", put, samples="placed"),
    OpRow("masked_scatter", masked, samples="placed"),
    OpRow("grid_sampler", sampled),
    OpRow("embedding_bag", bags),
)
