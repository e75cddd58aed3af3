"""Operations that need no step of their own: those that move nothing, reshapes of reshapes, and what follows a
convolution or a linear layer, which is computed where its result is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prunus.sparse.passes.view import View, renamed, rewrite, without_unread
from prunus.sparse.program import (
    Affine,
    Array,
    Binary,
    Convolution,
    Elementwise,
    Linear,
    Operation,
    Pad,
    Program,
    Reshape,
    Slice,
    Transpose,
)

Weighted = Convolution | Linear


def fuse(program: Program) -> Program:
    """The program with normalisations folded into weights, and biases, residuals and activations into operations."""
    return rewrite(program, (_padding, _affine, _bias, _residual, _activation))


def _only_read_by(operation: Operation, name: str, view: View) -> Operation | None:
    """What writes an operand, where nothing else reads it."""
    return view.writers.get(name) if view.readers[name] == 1 and operation.output != name else None


def _padding(operation: Operation, view: View) -> Operation | None:
    """Zeros put around an image are the convolution's own padding."""
    if not isinstance(operation, Convolution):
        return None
    pad = view.writers.get(operation.input)
    if not isinstance(pad, Pad) or pad.value != 0 or any((*pad.before[:2], *pad.after[:2])):
        return None
    top, left, bottom, right = operation.padding
    around = (top + pad.before[2], left + pad.before[3], bottom + pad.after[2], right + pad.after[3])
    return replace(operation, input=pad.input, padding=around)


def _affine(operation: Operation, view: View) -> Operation | None:
    """(w x + b) * scale + shift = (w * scale) x + (b * scale + shift), per output channel; sums in float64."""
    if not isinstance(operation, Affine):
        return None
    layer = _only_read_by(operation, operation.input, view)
    if not isinstance(layer, Weighted) or layer.residual is not None or layer.activation is not None:
        return None
    if isinstance(layer, Linear) and len(view.shapes[layer.output]) != 2:
        return None  # its second dimension is not that of the features
    scale, shift = (view.constants[name].astype(np.float64) for name in (operation.scale, operation.shift))
    weight = view.constants[layer.weight]
    bias = view.constants[layer.bias] if layer.bias is not None else np.zeros(len(weight))
    with np.errstate(all="ignore"):  # infinity and what is not a number go on as they would have
        scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        moved = bias * scale + shift
    return replace(
        layer,
        output=operation.output,
        weight=view.add_constant(f"{operation.output}.weight", scaled.astype(np.float32) + np.float32(0)),  # no -0
        bias=view.add_constant(f"{operation.output}.bias", moved.astype(np.float32)),
        activation=operation.activation,
    )


def _bias(operation: Operation, view: View) -> Operation | None:
    """A constant added to every channel."""
    if not isinstance(operation, Binary) or operation.operator != "add":
        return None
    for one, other in ((operation.left, operation.right), (operation.right, operation.left)):
        layer, value = _only_read_by(operation, one, view), view.constants.get(other)
        if not isinstance(layer, Weighted) or layer.activation is not None or value is None:
            continue
        added = _per_channel(layer, value, view)
        if added is None or view.shapes[operation.output] != view.shapes[one]:
            continue
        bias = added if layer.bias is None else (view.constants[layer.bias].astype(np.float64) + added)
        name = view.add_constant(f"{operation.output}.bias", bias.astype(np.float32))
        return replace(layer, output=operation.output, bias=name, activation=operation.activation)
    return None


def _per_channel(layer: Weighted, value: Array, view: View) -> Array | None:
    """The constant as one number per channel, None where it is not."""
    channels = len(view.constants[layer.weight])
    shape = view.shapes[layer.output]
    axis = 1 if isinstance(layer, Convolution) else len(shape) - 1
    full = (1,) * (len(shape) - value.ndim) + value.shape
    if any(size != 1 for place, size in enumerate(full) if place != axis) or len(full) != len(shape):
        return None
    return np.array(np.broadcast_to(value.reshape(-1), (channels,)))


def _residual(operation: Operation, view: View) -> Operation | None:
    """The sum of a layer's result and a tensor of the same shape; of two layers, the one that is computed later."""
    if not isinstance(operation, Binary) or operation.operator != "add" or operation.left == operation.right:
        return None
    shape = view.shapes[operation.output]
    order = list(view.writers)
    sides = sorted(operation.reads, key=lambda name: order.index(name) if name in view.writers else -1, reverse=True)
    for one, other in (sides, reversed(sides)):
        layer = _only_read_by(operation, one, view)
        if not isinstance(layer, Weighted) or layer.residual is not None or layer.activation is not None:
            continue
        if other not in view.constants and view.shapes[other] == view.shapes[one] == shape:
            return replace(layer, output=operation.output, residual=other, activation=operation.activation)
    return None


def _activation(operation: Operation, view: View) -> Operation | None:
    """A function of what is just being stored."""
    if not isinstance(operation, Elementwise):
        return None
    before = _only_read_by(operation, operation.input, view)
    if isinstance(before, Convolution | Linear | Binary | Affine) and before.activation is None:
        return replace(before, output=operation.output, activation=operation.activation)
    return None


def drop_aliases(program: Program) -> Program:
    """The program without operations whose output is their input; the program's own outputs stay written."""
    view = View(program)
    same: dict[str, str] = {}
    for operation in program.operations:
        current = _shortened(renamed(operation, same), view)
        if current.output not in program.outputs and _moves_nothing(current, view):
            same[current.output] = current.reads[0]
        else:
            view.writers[current.output] = current
    return without_unread(replace(program, operations=tuple(view.writers.values())))


def _shortened(operation: Operation, view: View) -> Operation:
    """A reshape of a reshape reads what the first one read."""
    if isinstance(operation, Reshape) and isinstance(first := view.writers.get(operation.input), Reshape):
        return replace(operation, input=first.input)
    return operation


def _moves_nothing(operation: Operation, view: View) -> bool:
    if operation.reads[0] in view.constants:
        return False
    if isinstance(operation, Transpose):
        return list(operation.permutation) == sorted(operation.permutation)
    if isinstance(operation, Reshape | Slice | Pad):
        return view.shapes[operation.output] == view.shapes[operation.input]
    return False
