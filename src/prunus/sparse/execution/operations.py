"""From each operation of a program to steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from prunus.sparse.execution.builder import Choice, ProgramBuilder, Window
from prunus.sparse.execution.convolving import Layer, Taps, add_convolution, view
from prunus.sparse.execution.layout import Layout, Tensor, plain
from prunus.sparse.execution.weighted import FEW_ROWS, convolution, linear
from prunus.sparse.program import (
    Affine,
    Binary,
    Concat,
    Convolution,
    Elementwise,
    LayerNorm,
    Linear,
    MatMul,
    Mean,
    Pad,
    Pool,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)

if TYPE_CHECKING:
    from prunus.sparse import _native


def pool(builder: ProgramBuilder, op: Pool) -> None:
    """In the layout of images; nothing to do where the convolution before it did so already."""
    if op.input in builder.pooled:
        return
    given = builder.tensor(op.input)
    given = builder.moved(given, builder.image_layout(given.layout.shape))
    out = builder.output(builder.image_layout(builder.shapes[op.output]))
    inside = op.dilation == (1, 1) and all(pad < op.kernel[side % 2] for side, pad in enumerate(op.padding))
    if op.reduction == "max" and inside:  # every window has a pixel, and the largest of what is finite is so too
        out.finite_flag = given.finite_flag
    _add_pool(builder, given, out, op)


def _add_pool(builder: ProgramBuilder, given: Tensor, out: Tensor, op: Pool) -> None:
    padding = op.padding[0], op.padding[1]

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        largest = op.reduction == "max"
        sides = view(given), view(out)
        return engine.pool(*sides, op.kernel, op.strides, padding, op.dilation, largest, op.count_padding)

    builder.add([given], [out], make)


def like(builder: ProgramBuilder, tensor: Tensor, name: str) -> Layout:
    """The layout for an output that is computed from this tensor element by element."""
    shape = builder.shapes[name]
    if len(shape) == 4 and tensor.layout.image and tensor.layout.key[0] == "image":
        return builder.image_layout(shape)
    if tensor.layout.key[0] == "columns" and shape == tensor.layout.shape:
        return tensor.layout
    return plain(shape)


def binary(builder: ProgramBuilder, op: Binary) -> None:
    """In the layout of the larger side; the other one is read where it lies."""
    left, right = builder.tensor(op.left), builder.tensor(op.right)
    leader = max((left, right), key=lambda side: (math.prod(side.layout.shape), not side.layout.is_plain))
    out = builder.output(like(builder, leader, op.output))
    builder.map(op.operator, out, left, right, op.activation)


def affine(builder: ProgramBuilder, op: Affine) -> None:
    """Images: a 1x1 convolution of each channel by itself. Else a product and a sum."""
    given = builder.tensor(op.input)
    shape = builder.shapes[op.output]
    scale, shift = (builder.constant(name, _NOTHING) for name in (op.scale, op.shift))
    if len(shape) == 4:
        given = builder.moved(given, builder.image_layout(shape))
        out = builder.output(given.layout)
        taps = Taps((1, 1), (0, 0), (1, 1), shape[1])
        weight = scale.reshape(-1, 1, 1, 1)
        layer = Layer(given=given, out=out, weight=weight, bias=shift, taps=taps, activation=op.activation)
        add_convolution(builder, layer, math.prod(shape) // shape[1])
        return
    per_channel = (1, shape[1], *[1] * (len(shape) - 2))
    scaled = Tensor(like(builder, given, op.output), f"{op.output} before its shift")
    builder.map("multiply", scaled, given, builder.reshaped(builder.tensor(op.scale), per_channel))
    out = builder.output(scaled.layout)
    builder.map("add", out, scaled, builder.reshaped(builder.tensor(op.shift), per_channel), op.activation)


def elementwise(builder: ProgramBuilder, op: Elementwise) -> None:
    """In the layout of its input."""
    given = builder.tensor(op.input)
    builder.map("copy", builder.output(like(builder, given, op.output)), given, activation=op.activation)


def softmax(builder: ProgramBuilder, op: Softmax) -> None:
    """Over rows; another axis is moved to the end first."""
    shape = builder.shapes[op.output]
    last = [axis for axis in range(len(shape)) if axis != op.axis] + [op.axis]
    given = _permuted(builder, builder.tensor(op.input), last)
    back = [last.index(axis) for axis in range(len(shape))]
    moves = op.axis != len(shape) - 1
    rows = Tensor(plain(given.layout.shape), f"{op.output} by rows") if moves else builder.output(given.layout)
    _add_rows(builder, "softmax", given, rows, shape[op.axis])
    if moves:
        _permute(builder, rows, builder.output(plain(shape)), back)


def layer_norm(builder: ProgramBuilder, op: LayerNorm) -> None:
    """Over rows of all normalised axes."""
    shape = builder.shapes[op.output]
    given = builder.moved(builder.tensor(op.input), plain(shape))
    size = math.prod(shape[op.axis :])
    scale = builder.constant(op.scale, np.ones(size, np.float32)).ravel().tolist()
    shift = builder.constant(op.shift, np.zeros(size, np.float32)).ravel().tolist()
    _add_rows(builder, "layer_norm", given, builder.output(plain(shape)), size, scale, shift, op.epsilon)


def mean(builder: ProgramBuilder, op: Mean) -> None:
    """Average pixels in the layout of images, or else rows, the axes moved to the end."""
    given = builder.tensor(op.input)
    shape, out_shape = given.layout.shape, builder.shapes[op.output]
    if len(shape) == 4 and op.axes == (2, 3):
        given = builder.moved(given, builder.image_layout(shape))
        pooled = Tensor(builder.image_layout((*shape[:2], 1, 1)), op.output)
        kernel = (shape[2], shape[3])
        _add_pool(builder, given, pooled, Pool(output=op.output, input=op.input, reduction="average", kernel=kernel))
        builder.define(op.output, builder.reshaped(pooled, out_shape))
        return
    order = [axis for axis in range(len(shape)) if axis not in op.axes] + list(op.axes)
    given = _permuted(builder, given, order)
    _add_rows(builder, "mean", given, builder.output(plain(out_shape)), math.prod(shape[axis] for axis in op.axes))


def _add_rows(
    builder: ProgramBuilder,
    kind: str,
    given: Tensor,
    out: Tensor,
    size: int,
    scale: list[float] | None = None,
    shift: list[float] | None = None,
    epsilon: float = 0.0,
) -> None:
    rows = math.prod(given.layout.shape) // size

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        return engine.rows(kind, rows, size, given.start, out.start, scale or [], shift or [], epsilon)

    builder.add([given], [out], make)


def matmul(builder: ProgramBuilder, op: MatMul) -> None:
    """Pairs of row-major matrices."""
    shape = builder.shapes[op.output]
    left, right = (builder.tensor(name) for name in (op.left, op.right))
    left, right = (builder.moved(side, plain(side.layout.shape)) for side in (left, right))
    out = builder.output(plain(shape))
    (rows, inner), columns = left.layout.shape[-2:], right.layout.shape[-1]
    numbers = [
        np.broadcast_to(
            np.arange(math.prod(side.layout.shape[:-2])).reshape(side.layout.shape[:-2]), shape[:-2]
        ).ravel()
        for side in (left, right)
    ]

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        pairs = [
            (left.start + int(a) * rows * inner, right.start + int(b) * inner * columns, out.start + i * rows * columns)
            for i, (a, b) in enumerate(zip(*numbers, strict=True))
        ]
        return engine.matmul(rows, inner, columns, pairs)

    builder.add([left, right], [out], make)


def concat(builder: ProgramBuilder, op: Concat) -> None:
    """One copy per input."""
    parts = [builder.tensor(name) for name in op.inputs]
    out = builder.output(like(builder, parts[0], op.output))
    at = 0
    for part in parts:
        offset = _offset(out.layout, op.axis, at)
        if offset is None:
            out = builder.output(plain(builder.shapes[op.output]))
            return _concat_plain(builder, op, parts, out)
        window = Window(offset, part.layout.shape, out.layout.strides, out.layout.lanes)
        builder.map("copy", out, part, window=window)
        at += part.layout.shape[op.axis]
    return None


def _concat_plain(builder: ProgramBuilder, op: Concat, parts: list[Tensor], out: Tensor) -> None:
    at = 0
    for part in parts:
        window = Window(at * out.layout.strides[op.axis], part.layout.shape, out.layout.strides, 1)
        builder.map("copy", out, part, window=window)
        at += part.layout.shape[op.axis]


def _offset(layout: Layout, axis: int, index: int) -> int | None:
    """Where an index of an axis lies; None where lanes of the batch do not begin there."""
    if axis == 0 and layout.lanes > 1:
        return None if index % layout.lanes else index // layout.lanes * layout.strides[0]
    return index * layout.strides[axis]


def slice_(builder: ProgramBuilder, op: Slice) -> None:
    """A copy of what is kept."""
    given = builder.tensor(op.input)
    if given.layout.lanes > 1 and (op.starts[0] != 0 or op.steps[0] != 1):
        given = builder.moved(given, plain(given.layout.shape))
    out = builder.output(like(builder, given, op.output))
    strides = tuple(stride * step for stride, step in zip(given.layout.strides, op.steps, strict=True))
    start = sum(stride * begin for stride, begin in zip(given.layout.strides, op.starts, strict=True))
    builder.map("copy", out, given, source=Window(start, op.sizes, strides, given.layout.lanes))


def pad(builder: ProgramBuilder, op: Pad) -> None:
    """The value everywhere, then a copy into the middle."""
    given, out = builder.tensor(op.input), builder.output(plain(builder.shapes[op.output]))
    name = f"{op.output} padding"
    builder.constants[name] = value = Tensor(plain(()), name)
    builder.values[name] = np.full((), op.value, np.float32)
    builder.map("copy", out, value)
    start = sum(stride * before for stride, before in zip(out.layout.strides, op.before, strict=True))
    builder.map("copy", out, given, window=Window(start, given.layout.shape, out.layout.strides, 1))


def reshape(builder: ProgramBuilder, op: Reshape) -> None:
    """Nothing moves where the elements lie in row-major order already."""
    given, shape = builder.tensor(op.input), builder.shapes[op.output]
    source = given.layout
    flattens = len(shape) == 2 and len(source.shape) > 2 and shape[0] == source.shape[0]
    if flattens and source.key[0] == "image" and shape[0] >= FEW_ROWS and 1 not in source.shape[1:]:
        # Straight into the layout that a linear layer over a batch reads.
        out = builder.output(builder.columns_layout(shape))
        row = out.layout.strides[1]
        strides = (1, *[row * math.prod(source.shape[axis + 1 :]) for axis in range(1, len(source.shape))])
        builder.map("copy", out, given, window=Window(0, source.shape, strides, 1))
        return
    builder.define(op.output, builder.reshaped(given, shape))


def transpose(builder: ProgramBuilder, op: Transpose) -> None:
    """A copy."""
    _permute(builder, builder.tensor(op.input), builder.output(plain(builder.shapes[op.output])), list(op.permutation))


def _permuted(builder: ProgramBuilder, given: Tensor, order: list[int]) -> Tensor:
    """Row-major with its axes in this order."""
    if order == sorted(order):
        return builder.moved(given, plain(given.layout.shape))
    out = Tensor(plain(tuple(given.layout.shape[axis] for axis in order)), f"{given.name} permuted")
    _permute(builder, given, out, order)
    return out


def _permute(builder: ProgramBuilder, given: Tensor, out: Tensor, order: list[int]) -> None:
    """Dimension d of `out` is dimension order[d] of `given`: seen from `given`, the strides of `out` are permuted."""
    strides = tuple(out.layout.strides[order.index(axis)] for axis in range(len(order)))
    builder.map("copy", out, given, window=Window(0, given.layout.shape, strides, 1))


LOWERINGS: dict[type, Callable[[ProgramBuilder, Any], None]] = {
    Affine: affine,
    Binary: binary,
    Concat: concat,
    Convolution: convolution,
    Elementwise: elementwise,
    LayerNorm: layer_norm,
    Linear: linear,
    MatMul: matmul,
    Mean: mean,
    Pad: pad,
    Pool: pool,
    Reshape: reshape,
    Slice: slice_,
    Softmax: softmax,
    Transpose: transpose,
}

_NOTHING = np.zeros(0, np.float32)
