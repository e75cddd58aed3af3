"""Operations that take one or several dimensions together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.ops.operation import Operation
from prunus.ops.pointwise import pointwise
from prunus.ops.row import OpRow, bare


def _dimensions(op: Operation, place: int, rank: int, name: str = "dim") -> list[int]:
    found = op.get(place, None, name)
    if found is None or found == []:
        return list(range(rank))
    return [int(d) % max(rank, 1) for d in (found if isinstance(found, (list, tuple)) else [found])]


def _reduced(op: Operation, x: Axes, dims: list[int]) -> Axes:
    """What is left of the dimensions; those that were taken together are single or gone."""
    left = [axis for i, axis in enumerate(x.axes) if i not in dims]
    if len(op.shape) == x.rank:
        return Axes(tuple(kept_axis(1) if i in dims else axis for i, axis in enumerate(x.axes)))
    return Axes(tuple(left))


def _taken(op: Operation, place: int) -> tuple[Axes, list[int], list[Axis]]:
    x: Axes = op.args[0]
    if not isinstance(op.get(place, None, "dim"), (int, list, tuple, type(None))):
        place += 100  # an overload without dimensions takes all together
    dims = _dimensions(op, place, x.rank)
    return x, dims, [x[d] for d in dims]


def sums(op: Operation) -> Axes:
    """Sums and lengths: a removed channel must be zero."""
    place = 2 if op.node.kind == "linalg_vector_norm" or op.node.kind == "norm" else 1
    x, dims, axes = _taken(op, place)
    for axis in axes:
        op.contract([axis])
    return _reduced(op, x, dims)


def averages(op: Operation) -> Axes:
    """Mean and variance: over the channels that are kept, which is another function of the weights."""
    x, dims, axes = _taken(op, 1)
    op.normalise(axes)
    return _reduced(op, x, dims)


def two_averages(op: Operation) -> tuple[Axes, Axes]:
    """Variance or deviation, and the mean."""
    left = averages(op)
    return left, left


def largest(op: Operation) -> Axes:
    """Maximum and minimum: over the channels that are kept, which is another function of the weights."""
    x, dims, axes = _taken(op, 1)
    op.normalise(axes)
    return _reduced(op, x, dims)


def extremes(op: Operation) -> Axes:
    """Places of extremes and the like: can't be followed over channels."""
    x, dims, axes = _taken(op, 1)
    op.pin(axes, "an extreme over channels")
    return _reduced(op, x, dims)


def along(op: Operation) -> Axes:
    """Softmax, cumulative sums, sorting: the dimension stays, but nothing of it can be removed."""
    x: Axes = op.args[0]
    place = op.dimension(1, -1, x.rank)
    op.pin([x[place]], "an operation along channels")
    return x.untied_zero()


def two_results(op: Operation) -> Axes | tuple[Axes, ...]:
    """Operations with values and places, such as `max` over a dimension, `topk` and `sort`; `max` of two tensors."""
    x = op.args[0]
    if len(op.tensors()) > 1:
        return pointwise(op)
    if not isinstance(op.node.output, tuple):
        return largest(op) if op.node.kind in ("max", "min") else extremes(op)
    place = 2 if op.node.kind in ("topk", "kthvalue") else 1
    dim = op.dimension(place, -1, x.rank)
    if 1 in op.used or op.node.kind not in ("max", "min"):
        op.pin([x[dim]], "an extreme over channels")
    else:
        op.normalise([x[dim]])
    axes = [axis.with_zero(False) for axis in x.axes]
    shape = op.shape
    if len(shape) < x.rank:
        del axes[dim]
    else:
        axes[dim] = kept_axis(shape[dim])
    return (Axes(tuple(axes)), Axes(tuple(axes)))


def _mean(x: Tensor, dims: Sequence[int], keepdim: bool = False) -> Tensor | None:
    over = {dim % x.dim() for dim in dims}
    plain = x.is_floating_point() and x.is_contiguous() and len(over) == len(dims) and max(dims) < x.dim()
    if not plain or not dims or min(dims) < -x.dim():
        return None
    sizes = ((1 if d in over else size) for d, size in enumerate(x.shape) if keepdim or d not in over)
    return bare(x, tuple(sizes))


def _running_sum(x: Tensor, dim: int) -> Tensor | None:
    if not x.is_contiguous() or not -x.dim() <= dim < x.dim():
        return None
    if x.dtype in INTEGERS:
        return torch.empty(x.shape, dtype=torch.int64, device="meta")
    return bare(x, x.shape) if x.is_floating_point() else None


INTEGERS = frozenset((torch.int8, torch.int16, torch.int32, torch.int64))

ROWS = (
    OpRow("sum linalg_vector_norm norm", sums),
    OpRow("mean", averages, result=_mean),
    OpRow("var std", averages),
    OpRow("var_mean std_mean", two_averages),
    OpRow("amax amin", largest),
    OpRow("argmax argmin prod all any logsumexp count_nonzero", extremes),
    OpRow("max min topk sort kthvalue median nanmedian mode cummax cummin", two_results),
    OpRow("cumsum", along, result=_running_sum),
    OpRow("softmax _softmax log_softmax cumprod logcumsumexp softmin", along),
)
