"""Operations over pixels that leave channels alone: pooling, resizing."""

from __future__ import annotations

from prunus.graph.axes import Axes, kept_axis
from prunus.graph.operation import Operation
from prunus.graph.reshape import split

MOVING = {"1d": 1, "2d": 2, "3d": 3}


def pooled(op: Operation) -> Axes | tuple[Axes, ...]:
    """Leading dimensions stay, the last one, two or three are pixels."""
    x: Axes = op.args[0]
    pixels = next((count for end, count in MOVING.items() if end in op.node.kind), x.rank - 2)
    op.pin(x.axes[x.rank - pixels :], "a window moving along channels")
    results = tuple(
        Axes((*x.axes[: x.rank - pixels], *(kept_axis(size) for size in shape[x.rank - pixels :])))
        for shape in op.shapes
    )
    return results if isinstance(op.node.output, tuple) else results[0]


def glu(op: Operation) -> Axes:
    """The first half times a gate of the second: both lose the same places."""
    x: Axes = op.args[0]
    d = op.dimension(1, -1, x.rank)
    part, half = split(op.labels, x[d], (2, x[d].size // 2), f"halves at {op.node}")
    op.pin([part], "halves of one tensor")
    return x.with_axis(d, half)


def prelu(op: Operation) -> Axes:
    """A slope for all channels, or one for each, which are the second dimension."""
    x, slope = op.args[0], op.args[1]
    if slope.rank == 1 and slope[0].size > 1:
        op.join(x[min(1, x.rank - 1)], slope[0])
    return Axes(tuple(x.axes)).activation()
