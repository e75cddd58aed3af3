"""The shape of every tensor of a program, which is also the check that its parts fit together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from prunus.errors import InputError
from prunus.sparse.program import (
    Affine,
    Binary,
    Concat,
    Convolution,
    Elementwise,
    FusedRounding,
    LayerNorm,
    Linear,
    MatMul,
    Mean,
    Operation,
    Pad,
    Pool,
    Program,
    Reshape,
    Rounding,
    Shape,
    Slice,
    Softmax,
    Transpose,
)

Shapes = Mapping[str, Shape]
LARGEST = 2**31
"""No size and no number of elements reaches it."""
LARGEST_SIDE = 2**28
"""No side of an image with its padding reaches it, nor a kernel, a stride or a dilation: what the native engine adds up
of these then fits into its integers."""

LARGEST_IMAGE_BYTES = 2**31
"""No image that a convolution reads has so many, all of its channels and the zeros around it counted: the native engine
finds each pixel by 32 bits. A linear layer reads all of its rows as one image."""


LEAST_SCALE = 2.0**-100
"""No scale of a rounding is below it, nor one above its reciprocal: their quotients are numbers."""


def reads_large_image(operation: Operation, shapes: Shapes) -> bool:
    """Whether what it reads might come to so much, with the zeros that may lie around it and between its rows."""
    if isinstance(operation, Convolution | Affine):
        size_bytes = 4 * math.prod(shapes[operation.input][1:])
    elif isinstance(operation, Linear):
        size_bytes = 4 * math.prod(shapes[operation.input])
    else:
        return False
    return size_bytes >= LARGEST_IMAGE_BYTES // 2


def infer_shapes(program: Program) -> dict[str, Shape]:
    """Name -> shape of all inputs, constants and outputs of operations.

    Raises `InputError` for an operation that reads what is not there yet, writes a name twice, or whose sizes do not
    fit. So a program that passes can be run without a further look at its sizes.
    """
    shapes: dict[str, Shape] = dict(program.constant_shapes)
    for name, shape in program.inputs.items():
        _add(shapes, name, tuple(shape))
    for name, shape in shapes.items():
        if not is_shape(shape):
            raise InputError(f"The program cannot be used: the shape of {name!r} is {shape}", NO_SHAPE)
    for operation in program.operations:
        for field in CONSTANTS.get(type(operation), ()):
            name = getattr(operation, field)
            _require(operation, name is None or name in program.constants, f"its {field} is not a constant")
        _add(shapes, operation.output, infer_shape(operation, shapes))
    written = {operation.output for operation in program.operations}
    for name in program.outputs:
        if name not in written:
            raise InputError(f"The program's output {name!r} cannot be given", "no operation writes it")
    return shapes


def infer_shape(operation: Operation, shapes: Shapes) -> Shape:
    """The shape of what the operation writes. Raises `InputError` where it cannot read what has these shapes."""
    for name in operation.reads:
        _require(operation, name in shapes, f"nothing writes {name!r} before it")
    shape = _RULES[type(operation)](operation, shapes)
    _require(operation, is_shape(shape), f"its shape would be {shape}")
    return shape


def is_shape(shape: Shape) -> bool:
    """Whether a tensor can have it: one element or more, and not too many."""
    return all(size >= 1 for size in shape) and math.prod(shape) < LARGEST


NO_SHAPE = f"a tensor has from 1 to {LARGEST - 1:,} elements"


def _add(shapes: dict[str, Shape], name: str, shape: Shape) -> None:
    if name in shapes:
        raise InputError(f"The program cannot be used: {name!r} stands for two tensors", "every name is written once")
    shapes[name] = shape


def _require(operation: Operation, condition: bool, why: str) -> None:
    if not condition:
        raise InputError(f"The operation {operation.kind} that writes {operation.output!r} cannot be run", why)


def _windows(op: Convolution | Pool, size: Shape, kernel: Shape) -> Shape:
    """Places of a kernel in an image, per axis."""
    fits = min(*op.strides, *op.dilation, *kernel) >= 1 and min(op.padding) >= 0
    padded_sizes = [size[axis] + op.padding[axis] + op.padding[axis + 2] for axis in (0, 1)]
    fits = fits and max(*op.strides, *op.dilation, *kernel, *padded_sizes) < LARGEST_SIDE
    _require(op, fits, "a size of it is out of range")
    places = []
    for axis, padded in enumerate(padded_sizes):
        places.append((padded - op.dilation[axis] * (kernel[axis] - 1) - 1) // op.strides[axis] + 1)
    return tuple(places)


def _convolution(op: Convolution, shapes: Shapes) -> Shape:
    image, weight = shapes[op.input], shapes[op.weight]
    _require(op, len(image) == len(weight) == 4, f"its input is {image} and its weight {weight}")
    _require(op, op.groups >= 1 and weight[0] % op.groups == 0, f"{weight[0]} channels are not {op.groups} groups")
    _require(op, image[1] == weight[1] * op.groups, f"its input is {image}, its weight {weight}, groups {op.groups}")
    return _finished(op, (image[0], weight[0], *_windows(op, image[2:], weight[2:])), shapes)


def _linear(op: Linear, shapes: Shapes) -> Shape:
    rows, weight = shapes[op.input], shapes[op.weight]
    fits = len(rows) >= 1 and len(weight) == 2 and rows[-1] == weight[1]
    _require(op, fits, f"its input is {rows} and its weight {weight}")
    return _finished(op, (*rows[:-1], weight[0]), shapes)


def _finished(op: Convolution | Linear, shape: Shape, shapes: Shapes) -> Shape:
    """Bias and residual must go with what was computed."""
    if op.bias is not None:
        bias = shapes[op.bias]
        _require(op, bias == shapes[op.weight][:1], f"its weight is {shapes[op.weight]} and its bias {bias}")
    if op.residual is not None:
        residual = shapes[op.residual]
        _require(op, residual == shape, f"its output is {shape} and its residual {residual}")
    if op.weight_scale is not None:
        scale = shapes[op.weight_scale]
        _require(op, scale == shapes[op.weight][:1], f"its weight is {shapes[op.weight]} and the scale of it {scale}")
    _check_rounding(op, op.sum_rounding)
    _check_rounding(op, op.rounding)
    return shape


def _check_rounding(op: Operation, rounding: FusedRounding | None) -> None:
    if rounding is not None:
        bounded = 0 <= rounding.low <= rounding.high <= 255 and 0 <= rounding.zero <= 255
        scaled = LEAST_SCALE <= rounding.scale <= 1 / LEAST_SCALE
        _require(op, bounded and scaled, f"it would round to {rounding}")


def _matmul(op: MatMul, shapes: Shapes) -> Shape:
    left, right = shapes[op.left], shapes[op.right]
    fits = min(len(left), len(right)) >= 2 and left[-1] == right[-2]
    _require(op, fits, f"its sides are {left} and {right}")
    return (*_broadcast(op, left[:-2], right[:-2]), left[-2], right[-1])


def _broadcast(op: Operation, left: Shape, right: Shape) -> Shape:
    try:
        return np.broadcast_shapes(left, right)
    except ValueError:
        _require(op, False, f"{left} and {right} do not go together")
        raise


def _pool(op: Pool, shapes: Shapes) -> Shape:
    image = shapes[op.input]
    _require(op, len(image) == 4, f"its input is {image}")
    for axis in (0, 1):
        reach = op.dilation[axis] * (op.kernel[axis] - 1)
        fits = max(op.padding[axis], op.padding[axis + 2]) <= reach
        _require(op, fits, f"a window could lie in the padding {op.padding} alone")
    _require(op, op.reduction == "max" or op.dilation == (1, 1), "an average has no dilation")
    return (*image[:2], *_windows(op, image[2:], op.kernel))


def _binary(op: Binary, shapes: Shapes) -> Shape:
    _check_rounding(op, op.rounding)
    return _broadcast(op, shapes[op.left], shapes[op.right])


def _affine(op: Affine, shapes: Shapes) -> Shape:
    image = shapes[op.input]
    fits = len(image) >= 2 and shapes[op.scale] == shapes[op.shift] == image[1:2]
    _require(op, fits, f"its input is {image}, its scale {shapes[op.scale]}")
    return image


def _elementwise(op: Elementwise, shapes: Shapes) -> Shape:
    return shapes[op.input]


def _rounding(op: Rounding, shapes: Shapes) -> Shape:
    _check_rounding(op, op.rounding)
    return shapes[op.input]


def _softmax(op: Softmax, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    _require(op, 0 <= op.axis < len(shape), f"{shape} has no axis {op.axis}")
    return shape


def _layer_norm(op: LayerNorm, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    _require(op, 0 <= op.axis < len(shape), f"{shape} has no axis {op.axis}")
    for name in (op.scale, op.shift):
        if name is not None:
            _require(op, shapes[name] == shape[op.axis :], f"its input is {shape}, its scale or shift {shapes[name]}")
    return shape


def _mean(op: Mean, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    fits = bool(op.axes) and list(op.axes) == sorted(set(op.axes)) and op.axes[0] >= 0 and op.axes[-1] < len(shape)
    _require(op, fits, f"{shape} has no axes {op.axes}")
    if op.keep:
        return tuple(1 if axis in op.axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in op.axes)


def _concat(op: Concat, shapes: Shapes) -> Shape:
    parts = [shapes[name] for name in op.inputs]
    _require(op, bool(parts) and 0 <= op.axis < len(parts[0]), f"there is no axis {op.axis}")
    rest = {(*part[: op.axis], *part[op.axis + 1 :]) for part in parts}
    _require(op, len(rest) == 1 and len({len(part) for part in parts}) == 1, f"{parts} do not go together")
    return (*parts[0][: op.axis], sum(part[op.axis] for part in parts), *parts[0][op.axis + 1 :])


def _slice(op: Slice, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    _require(op, len(shape) == len(op.starts) == len(op.sizes) == len(op.steps), f"its input is {shape}")
    for size, start, count, step in zip(shape, op.starts, op.sizes, op.steps, strict=True):
        fits = start >= 0 and count >= 1 and 1 <= step < LARGEST and start + (count - 1) * step < size
        _require(op, fits, f"{shape} has no {count} elements from {start} in steps of {step}")
    return op.sizes


def _pad(op: Pad, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    _require(op, len(shape) == len(op.before) == len(op.after), f"its input is {shape}")
    _require(op, min((*op.before, *op.after), default=0) >= 0, "it would take elements away")
    return tuple(a + size + b for a, size, b in zip(op.before, shape, op.after, strict=True))


def _reshape(op: Reshape, shapes: Shapes) -> Shape:
    fits = math.prod(shapes[op.input]) == math.prod(op.shape)
    _require(op, fits, f"{shapes[op.input]} and {op.shape} have different numbers of elements")
    return op.shape


def _transpose(op: Transpose, shapes: Shapes) -> Shape:
    shape = shapes[op.input]
    _require(op, sorted(op.permutation) == list(range(len(shape))), f"its input is {shape}")
    return tuple(shape[axis] for axis in op.permutation)


_RULES: dict[type[Operation], Callable[[Any, Shapes], Shape]] = {
    Convolution: _convolution,
    Linear: _linear,
    MatMul: _matmul,
    Pool: _pool,
    Binary: _binary,
    Affine: _affine,
    Elementwise: _elementwise,
    Rounding: _rounding,
    Softmax: _softmax,
    LayerNorm: _layer_norm,
    Mean: _mean,
    Concat: _concat,
    Slice: _slice,
    Pad: _pad,
    Reshape: _reshape,
    Transpose: _transpose,
}

CONSTANTS: dict[type[Operation], tuple[str, ...]] = {
    Convolution: ("weight", "bias", "weight_scale"),
    Linear: ("weight", "bias", "weight_scale"),
    Affine: ("scale", "shift"),
    LayerNorm: ("scale", "shift"),
}
"""Operands that must be constants."""
