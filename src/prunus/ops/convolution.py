"""Convolutions, plain, grouped, depthwise and transposed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from prunus.graph.node import Shape
from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.labels.reshape import merge, split
from prunus.ops.contraction import with_bias
from prunus.ops.macs import convolution_macs
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow, alike, bare, count_at


def convolution(op: Operation) -> Axes:
    """Input (N, C, ...) with a weight (O, C / groups, ...).

    With groups, whole groups can go, or the same places of every group: the groups stay equal in size.
    """
    x, weight, groups = op.args[0], op.args[1], int(op.get(6, 1, "groups"))
    channels = x.rank - (weight.rank - 1)
    group, inner = _grouped(op, x[channels], groups)
    own_group, _ = _grouped(op, weight[0], groups)
    if groups > 1:
        op.join(group, own_group)
        op.count("groups", group)
    op.contract([inner, weight[1]])
    _fix_kernel(op, weight)
    return _result(op, x, channels, weight[0], op.get(2))


def transposed(op: Operation) -> Axes:
    """Input (N, C, ...) with a weight (C, O / groups, ...)."""
    x, weight, groups = op.args[0], op.args[1], int(op.get(6, 1, "groups"))
    channels = x.rank - (weight.rank - 1)
    op.contract([x[channels], weight[0]])
    group, _ = _grouped(op, weight[0], groups)
    if groups > 1:
        op.count("groups", group)
    _fix_kernel(op, weight)
    out = merge(op.labels, [axis for axis in (group, weight[1]) if axis.size != 1] or [kept_axis(1)])
    return _result(op, x, channels, out, op.get(2))


def _grouped(op: Operation, axis: Axis, groups: int) -> tuple[Axis, Axis]:
    """A channel dimension as (groups, channels of one group)."""
    shape = (groups, axis.size // groups)
    if groups == 1:
        return kept_axis(1), axis
    if shape[1] == 1:
        return axis, kept_axis(1)
    group, inner = split(op.labels, axis, shape, f"the groups of {op.node}")
    return group, inner


def _fix_kernel(op: Operation, weight: Axes) -> None:
    op.pin(weight.axes[2:], "the window of a convolution")
    for axis in weight.axes[2:]:
        op.findings.consumed |= axis.origins


def _result(op: Operation, x: Axes, channels: int, out: Axis, bias: Axes | None) -> Axes:
    """Channels from the weight; dimensions that no window moves along keep theirs."""
    moving = x.axes[channels + 1 :]
    if _is_pointwise(op, len(moving)):
        spatial = moving
    else:
        op.pin(moving, "a convolution moves along channels")
        spatial = tuple(kept_axis(size) for size in op.shape[channels + 1 :])
    result = Axes((*x.axes[:channels], replace(out, origins=frozenset()), *spatial)).activation()
    if bias is None:
        return result
    op.join(out, bias[0])
    return with_bias(result, channels, bias[0])


def _is_pointwise(op: Operation, dimensions: int) -> bool:
    """Whether the window is a single position, moved one by one, without padding."""
    stride, padding = op.get(3, [1], "stride"), op.get(4, [0], "padding")
    single = set(op.args[1].shape[2:]) == {1} and set(stride) == {1} and set(padding) == {0}
    return dimensions > 0 and single and op.shape[-dimensions:] == op.args[0].shape[-dimensions:]


def _macs(result: Shape, _: Shape, weight: Shape, *__: Any) -> int:
    return convolution_macs(math.prod(result) // weight[0], weight)


def _transposed_macs(_: Shape, x: Shape, weight: Shape, *__: Any) -> int:
    return convolution_macs(math.prod(x) // weight[0], weight)


def _result_2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor | None:
    """The result of a convolution in two dimensions."""
    out, inner, *kernel = weight.shape
    fits = x.dim() == 4 and x.shape[1] == inner * groups and out % groups == 0 and (bias is None or len(bias) == out)
    if not fits or not (alike(x, weight, bias) and x.is_contiguous() and weight.is_contiguous()):
        return None
    sizes = [(x.shape[2 + d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in (0, 1)]
    return bare(x, (x.shape[0], out, *sizes)) if min(sizes) > 0 else None


ROWS = (
    OpRow("conv2d", convolution, count_at(6, "groups"), macs=_macs, result=_result_2d),
    OpRow("conv1d conv3d", convolution, count_at(6, "groups"), macs=_macs),
    OpRow(
        "conv_transpose1d conv_transpose2d conv_transpose3d", transposed, count_at(6, "groups"), macs=_transposed_macs
    ),
)
