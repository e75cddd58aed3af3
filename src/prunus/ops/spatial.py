"""Operations over pixels that leave channels alone: pooling, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from prunus.labels.axes import Axes, kept_axis
from prunus.labels.reshape import split
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow, bare

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


def _averaged(x: Tensor, size: Sequence[int]) -> Tensor | None:
    """An average over parts of the last two dimensions."""
    plain = x.dim() == 4 and x.is_contiguous() and x.is_floating_point() and x.numel() and min(size) > 0
    return bare(x, (*x.shape[:2], *size)) if plain else None


def _largest_windows(
    x: Tensor, window: Sequence[int], step: Sequence[int] = (), padding: Sequence[int] = (0, 0), *others: Any
) -> Tensor | None:
    """The largest of each window of two dimensions."""
    return None if others else _average_windows(x, window, step, padding)


def _average_windows(
    x: Tensor,
    window: Sequence[int],
    step: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    *ceil_and_divisor: Any,
) -> Tensor | None:
    """The average of each window of two dimensions, where no window lies partly outside."""
    if len(window) != 2 or any(2 * padding[d] > window[d] for d in (0, 1)):
        return None
    step = step or window
    moves = [divmod(x.shape[2 + d] + 2 * padding[d] - window[d], step[d]) for d in (0, 1)]
    if any(ceil_and_divisor[:1]) and any(rest for _, rest in moves):
        return None
    return _averaged(x, [moved + 1 for moved, _ in moves])


ROWS = (
    OpRow("max_pool2d", pooled, result=_largest_windows, samples="kept"),
    OpRow("avg_pool2d", pooled, result=_average_windows, samples="kept"),
    OpRow("adaptive_avg_pool2d", pooled, result=_averaged, samples="kept"),
    OpRow(
        "max_pool1d max_pool3d max_pool1d_with_indices max_pool2d_with_indices avg_pool1d avg_pool3d "
        "adaptive_avg_pool1d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
        "max_pool3d_with_indices lp_pool2d",
        pooled,
    ),
    OpRow(
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_bilinear2d upsample_bicubic2d "
        "upsample_trilinear3d upsample_linear1d _upsample_bilinear2d_aa _upsample_bicubic2d_aa "
        "upsample_nearest_exact2d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d "
        "reflection_pad3d replication_pad3d",
        pooled,
    ),
    OpRow("glu", glu),
    OpRow("prelu", prelu),
)
