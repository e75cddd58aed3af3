"""Operations that put the same elements into another shape or order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from prunus.graph.node import Node
from prunus.labels.axes import Axes, Axis, kept_axis
from prunus.labels.reshape import merge, reshape, split
from prunus.ops.operation import Operation
from prunus.ops.row import OpRow, Site, bare, count_at, merged, sizes_at


def same(op: Operation) -> Axes:
    """The tensor itself: copies, casts, dropout."""
    axes: Axes = op.args[0]
    return axes


def reshaped(op: Operation) -> Axes:
    """View, flatten, unflatten, squeeze, unsqueeze: all that keeps the order of elements."""
    return reshape(op.labels, op.args[0], op.shape, f"reshaped at {op.node}")


def permuted(op: Operation) -> Axes:
    """Dimensions in another order."""
    x: Axes = op.args[0]
    order = op.args[1] if isinstance(op.args[1], (list, tuple)) else op.args[1:]
    return Axes(tuple(x[int(d) % x.rank] for d in order))


def transposed(op: Operation) -> Axes:
    """Two dimensions exchanged; without saying which, the last two."""
    x: Axes = op.args[0]
    if x.rank < 2:
        return x
    one, other = (int(op.get(place, default)) % x.rank for place, default in ((1, -2), (2, -1)))
    return x.with_axis(one, x[other]).with_axis(other, x[one])


def reversed_dimensions(op: Operation) -> Axes:
    """All dimensions in reverse order."""
    return Axes(op.args[0].axes[::-1])


def moved(op: Operation) -> Axes:
    """Some dimensions moved to other places."""
    x: Axes = op.args[0]
    source, target = (value if isinstance(value, (list, tuple)) else [value] for value in op.args[1:3])
    order = [d for d in range(x.rank) if d not in [int(s) % x.rank for s in source]]
    for place, d in sorted((int(t) % x.rank, int(s) % x.rank) for s, t in zip(source, target, strict=True)):
        order.insert(place, d)
    return Axes(tuple(x[d] for d in order))


def expanded(op: Operation) -> Axes:
    """Single dimensions repeated; the copies are never removed by themselves."""
    x: Axes = op.args[0]
    shape = op.shape
    leading = len(shape) - x.rank
    return Axes(
        tuple(
            _copies(op, size) if d < leading or x[d - leading].size != size else x[d - leading]
            for d, size in enumerate(shape)
        )
    )


def _copies(op: Operation, size: int) -> Axis:
    """Copies of a single position, which follow what they meet: a mask or a number of rows the channels of what it
    chooses from, the one head of keys the heads of the queries.
    """
    return Axis(op.labels.fresh(size), zero_when_removed=False, repeats=True) if size > 1 else kept_axis(size)


def expanded_as(op: Operation) -> Axes:
    """Single dimensions repeated to the size of another tensor's, whose channels they follow."""
    x, other = op.args[0], op.args[1]
    plain = expanded(op)
    return Axes(
        tuple(
            replace(there, zero_when_removed=False, origins=frozenset(), repeats=True)
            if d < other.rank - x.rank or x[d - other.rank + x.rank].size != there.size
            else plain[d]
            for d, there in enumerate(other.axes)
        )
    )


def tiled(op: Operation) -> Axes:
    """The whole tensor repeated along its dimensions."""
    x: Axes = op.args[0]
    leading = len(op.shape) - x.rank
    return Axes(
        tuple(
            _copies(op, size)
            if d < leading or x[d - leading].size == 1
            else replace(x[d - leading], labels=np.tile(x[d - leading].labels, size // x[d - leading].size))
            for d, size in enumerate(op.shape)
        )
    )


def repeated(op: Operation) -> Axes:
    """Each position repeated a fixed number of times."""
    x: Axes = op.args[0]
    if not isinstance(op.args[1], int) or op.get(2, None, "dim") is None:
        op.pin(x.axes, "a repetition that can't be followed")
        return Axes(tuple(kept_axis(size) for size in op.shape))
    d = op.dimension(2, 0, x.rank)
    return x.with_axis(d, replace(x[d], labels=x[d].labels.repeat(op.args[1])))


def flipped(op: Operation) -> Axes:
    """The order of positions reversed."""
    x: Axes = op.args[0]
    for d in op.args[1]:
        x = x.with_axis(int(d) % x.rank, x[d].take(np.arange(x[d].size)[::-1]))
    return x


def triangular(op: Operation) -> Axes:
    """The upper or lower triangle of matrices: what is zero there depends on where it stands."""
    x: Axes = op.args[0]
    op.pin(x.axes[-2:], "a triangle of channels")
    return x


def rolled(op: Operation) -> Axes:
    """Positions shifted around; exact only for dimensions that lose nothing."""
    x: Axes = op.args[0]
    dims = op.get(2, (), "dims")
    op.pin([x[int(d)] for d in dims] if dims else x.axes, "channels shifted by a fixed number")
    return x


def pixel_shuffled(op: Operation) -> Axes:
    """Blocks of channels become pixels: whole blocks go together."""
    x, factor = op.args[0], int(op.args[1])
    channel, *fine = split(op.labels, x[x.rank - 3], (x[x.rank - 3].size // factor**2, factor, factor), str(op.node))
    # The places within a block become pixels of one image, which all channels share.
    op.pin(fine, "channels that become pixels")
    op.pin(x.axes[-2:], "channels that become pixels")
    return Axes((*x.axes[:-3], channel, *(kept_axis(size) for size in op.shape[-2:])))


def pixel_unshuffled(op: Operation) -> Axes:
    """Pixels become blocks of channels."""
    x, factor = op.args[0], int(op.args[1])
    op.pin(x.axes[-2:], "pixels that become channels")
    channel = merge(op.labels, [x[x.rank - 3], kept_axis(factor * factor)])
    return Axes((*x.axes[:-3], channel, *(kept_axis(size) for size in op.shape[-2:])))


def channels_shuffled(op: Operation) -> Axes:
    """Channels dealt out anew among groups."""
    x: Axes = op.args[0]
    groups = int(op.args[1])
    group, inner = split(op.labels, x[1], (groups, x[1].size // groups), f"shuffled at {op.node}")
    op.count("groups", group)
    # (groups, channels of each) seen as (channels of each, groups): this is the shuffle.
    return x.with_axis(1, merge(op.labels, [inner, group]))


def unfolded(op: Operation) -> Axes:
    """Patches as columns: each channel becomes one row per place in the patch."""
    x: Axes = op.args[0]
    op.pin(x.axes[-2:], "patches cut along channels")
    places = op.shape[-2] // x[x.rank - 3].size
    rows = merge(op.labels, [axis for axis in (x[x.rank - 3], kept_axis(places)) if axis.size != 1] or [kept_axis(1)])
    return Axes((*x.axes[:-3], rows, kept_axis(op.shape[-1])))


def folded(op: Operation) -> Axes:
    """Columns back into an image."""
    x: Axes = op.args[0]
    channels = op.shape[-3]
    rows = x[x.rank - 2]
    channel, places = rows, kept_axis(1)
    if rows.size != channels and channels > 1:
        channel, places = split(op.labels, rows, (channels, rows.size // channels), f"folded at {op.node}")
    op.pin([places, x[x.rank - 1]] + ([rows] if channels == 1 else []), "patches laid along channels")
    image = kept_axis(1) if channels == 1 else channel
    return Axes((*x.axes[:-2], image, *(kept_axis(size) for size in op.shape[-2:])))


def windows(op: Operation) -> Axes:
    """Sliding windows over one dimension, as a new last dimension."""
    x: Axes = op.args[0]
    d = op.dimension(1, 0, x.rank)
    op.pin([x[d]], "windows cut along channels")
    return Axes((*x.with_axis(d, kept_axis(op.shape[d])).axes, kept_axis(op.shape[-1])))


def _repeats(site: Site) -> Node:
    """How often each dimension is repeated: single ones as often as there are channels that they follow."""
    times, after = list(site.node.args[1]), site.shape()
    leading = len(times) - site.args[0].rank
    for d, size in enumerate(site.results[0].shape):
        if after[d] != size and (d < leading or site.args[0][d - leading].size == 1):
            times[d] = after[d]
    return site.with_args({1: times})


def _without_output_size(site: Site) -> Node:
    """A repetition without its length, which follows from the rest and is written for speed alone."""
    return replace(site.node, kwargs={key: value for key, value in site.node.kwargs.items() if key != "output_size"})


def _unflattened(site: Site) -> Node:
    dim, sizes = int(site.node.args[1]) % site.args[0].rank, site.node.args[2]
    part = slice(dim, dim + len(sizes))
    return site.with_args({2: merged(sizes, site.results[0].shape[part], site.shape()[part])})


def _contiguous_result(x: Tensor) -> Tensor:
    return x if x.is_contiguous() else bare(x, x.shape)


ROWS = (
    OpRow("detach alias", same, is_view=True),
    OpRow("contiguous", same, result=_contiguous_result, samples="kept"),
    OpRow("clone dropout to", same, samples="kept"),
    OpRow(
        "alpha_dropout feature_dropout lift_fresh lift_fresh_copy _to_copy type_as float half double bfloat16 positive "
        "resolve_conj resolve_neg requires_grad real imag _conj",
        same,
    ),
    OpRow("view reshape", reshaped, sizes_at(1), is_view=True, samples="kept"),
    OpRow("_unsafe_view", reshaped, sizes_at(1)),
    OpRow("flatten", reshaped, is_view=True, samples="kept"),
    OpRow("unflatten", reshaped, _unflattened, is_view=True),
    OpRow("view_as reshape_as squeeze unsqueeze ravel", reshaped, is_view=True),
    OpRow("permute", permuted, is_view=True),
    OpRow("transpose swapaxes swapdims t mT adjoint", transposed, is_view=True),
    OpRow("numpy_T", reversed_dimensions, is_view=True),
    OpRow("movedim moveaxis", moved, is_view=True),
    OpRow("expand", expanded, sizes_at(1), is_view=True, samples="kept"),
    OpRow("broadcast_to", expanded, sizes_at(1), is_view=True),
    OpRow("expand_as", expanded_as, is_view=True),
    OpRow("repeat tile", tiled, _repeats),
    OpRow("repeat_interleave", repeated, _without_output_size),
    OpRow("flip", flipped),
    OpRow("roll", rolled),
    OpRow("tril triu", triangular),
    OpRow("pixel_shuffle", pixel_shuffled),
    OpRow("pixel_unshuffle", pixel_unshuffled),
    OpRow("channel_shuffle native_channel_shuffle", channels_shuffled, count_at(1, "groups")),
    OpRow("im2col", unfolded),
    OpRow("col2im", folded),
    OpRow("unfold", windows, is_view=True),
)
