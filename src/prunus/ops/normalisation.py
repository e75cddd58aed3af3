"""Normalisations: per channel, over channels, over groups of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prunus.graph.node import Node
from prunus.labels.axes import Axes
from prunus.labels.reshape import split
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow, Site, bare, count_at


def per_channel(op: Operation) -> Axes:
    """Batch and instance normalisation: each channel by itself, over all other dimensions."""
    x: Axes = op.args[0]
    weight, bias, mean, variance = op.args[1:5]
    place = 1 if x.rank > 1 else 0
    op.count("num_features", x[place])
    for tensor in (weight, bias, mean, variance):
        if tensor is not None:
            op.join(x[place], tensor[0])
    if variance is not None:
        op.findings.divisors |= variance[0].origins
    op.normalise(axis for i, axis in enumerate(x.axes) if i != place)
    zero = (bias is None or bias[0].zero_when_removed) and (weight is not None or x[place].zero_when_removed)
    return x.untied_zero().with_axis(place, x[place].with_zero(zero))


def over_last(op: Operation) -> Axes:
    """Layer normalisation and its relatives: over the last dimensions."""
    x, shape = op.args[0], op.args[1]
    weight, bias = op.get(2), op.get(3) if op.node.kind == "layer_norm" else None
    first = x.rank - len(shape)
    for tensor in (weight, bias):
        if tensor is not None:
            for axis, other in zip(x.axes[first:], tensor.axes, strict=True):
                op.join(axis, other)
    op.normalise(x.axes[first:])
    leading = tuple(axis.with_zero(axis.zero_when_removed and bias is None) for axis in x.axes[:first])
    return Axes((*leading, *(axis.with_zero(True) for axis in x.axes[first:])))


def over_groups(op: Operation) -> Axes:
    """Group normalisation: whole groups can go, or the same places of every group."""
    x: Axes = op.args[0]
    groups = int(op.args[1])
    weight, bias = op.get(2), op.get(3)
    size = x[1].size // groups
    op.count("num_channels", x[1])
    if 1 < groups < x[1].size:
        group, inner = split(op.labels, x[1], (groups, size), f"the groups of {op.node}")
        op.count("num_groups", group)
        op.normalise([inner])
    elif groups == 1:
        op.normalise([x[1]])
    else:
        op.count("num_groups", x[1])
    for tensor in (weight, bias):
        if tensor is not None:
            op.join(x[1], tensor[0])
    zero = bias is None or bias[0].zero_when_removed
    return x.untied_zero().with_axis(1, x[1].with_zero(zero))


def weight_norm(op: Operation) -> Axes:
    """A weight as direction times length; the direction is divided by its own length, which must not be zero."""
    direction, length, place = op.args[0], op.args[1], int(op.get(2, 0))
    op.join(direction[place], length[place])
    op.findings.divisors |= direction[place].origins
    return Axes(direction.axes)


def _normalised_shape(site: Site) -> Node:
    return site.with_args({1: site.shape()[-len(site.node.args[1]) :]})


def _batch_norm(x: Tensor, *args: Any) -> Tensor | None:
    return (
        (bare(x, x.shape) if x.is_contiguous() else torch.empty_like(x))
        if x.is_floating_point() and _are_of(x.shape[1:2], args[:4])
        else None
    )


def _layer_norm(x: Tensor, shape: Sequence[int], *args: Any) -> Tensor | None:
    fits = x.shape[-len(shape) :] == tuple(shape) and _are_of(tuple(shape), args[:2])
    return bare(x, x.shape) if fits and x.is_floating_point() else None


def _are_of(shape: Sequence[int], tensors: Sequence[Any]) -> bool:
    """Whether a norm's tensors have this shape; if not, torch says what is wrong."""
    return all(tensor.shape == shape for tensor in tensors if isinstance(tensor, Tensor))


ROWS = (
    OpRow("batch_norm", per_channel, result=_batch_norm, samples="kept"),
    OpRow("instance_norm", per_channel),
    OpRow("layer_norm rms_norm", over_last, _normalised_shape, result=_layer_norm, samples="kept"),
    OpRow("group_norm", over_groups, count_at(1, "num_groups"), samples="kept"),
    OpRow("_weight_norm", weight_norm),
)
