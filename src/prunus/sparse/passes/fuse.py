"""Operations that need no step of their own: those that move nothing, reshapes of reshapes, and what follows a
convolution or a linear layer, which is computed where its result is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from prunus.sparse.passes.view import View, renamed, rewrite, without_unread
from prunus.sparse.program import (
    Affine,
    Array,
    Binary,
    Convolution,
    Elementwise,
    FusedRounding,
    Linear,
    Operation,
    Pad,
    Pool,
    Program,
    Reshape,
    Rounding,
    Slice,
    Transpose,
)

Weighted = Convolution | Linear


def fuse(program: Program) -> Program:
    """The program with normalisations folded into weights, and biases, residuals and activations into operations."""
    return rewrite(program, (_padding, _affine, _bias, _residual, _activation, _clip, _known, _rounding))


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
    if not isinstance(layer, Weighted) or layer.residual is not None or not _is_plain(layer):
        return None
    if isinstance(layer, Linear) and len(view.shapes[layer.output]) != 2:
        return None  # its second dimension is not that of the features
    scale, shift = (view.constants[name].astype(np.float64) for name in (operation.scale, operation.shift))
    held = layer.weight_scale or layer.weight  # of whole numbers the scale takes the factor
    weight = view.constants[held]
    bias = view.constants[layer.bias] if layer.bias is not None else np.zeros(len(weight))
    with np.errstate(all="ignore"):  # infinity and what is not a number go on as they would have
        scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        moved = bias * scale + shift
    made = view.add_constant(f"{operation.output}.weight", scaled.astype(np.float32) + np.float32(0))  # no -0
    return replace(
        layer,
        output=operation.output,
        weight=layer.weight if layer.weight_scale else made,
        weight_scale=made if layer.weight_scale else None,
        bias=view.add_constant(f"{operation.output}.bias", moved.astype(np.float32)),
        activation=operation.activation,
    )


def _bias(operation: Operation, view: View) -> Operation | None:
    """A constant added to every channel."""
    if not isinstance(operation, Binary) or operation.operator != "add":
        return None
    for one, other in ((operation.left, operation.right), (operation.right, operation.left)):
        layer, value = _only_read_by(operation, one, view), view.constants.get(other)
        if not isinstance(layer, Weighted) or not _is_plain(layer) or value is None:
            continue
        added = _per_channel(layer, value, view)
        if added is None or view.shapes[operation.output] != view.shapes[one]:
            continue
        bias = added if layer.bias is None else (view.constants[layer.bias].astype(np.float64) + added)
        name = view.add_constant(f"{operation.output}.bias", bias.astype(np.float32))
        activation, rounding = operation.activation, operation.rounding
        return replace(layer, output=operation.output, bias=name, activation=activation, rounding=rounding)
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
        if layer.rounding is not None and layer.weight_scale is None:
            continue  # it is not computed in whole numbers, and its sum would be stored twice
        if other not in view.constants and view.shapes[other] == view.shapes[one] == shape:
            return replace(
                layer,
                output=operation.output,
                residual=other,
                sum_rounding=layer.rounding,
                activation=operation.activation,
                rounding=operation.rounding,
            )
    return None


def _is_plain(layer: Weighted) -> bool:
    """Whether nothing is done yet to what was multiplied and summed."""
    return layer.activation is None and layer.rounding is None and layer.sum_rounding is None


def _activation(operation: Operation, view: View) -> Operation | None:
    """A function of what is just being stored."""
    if not isinstance(operation, Elementwise):
        return None
    before = _only_read_by(operation, operation.input, view)
    if isinstance(before, Convolution | Linear | Binary) and before.rounding is not None:
        return None
    if isinstance(before, Convolution | Linear | Binary | Affine) and before.activation is None:
        return replace(before, output=operation.output, activation=operation.activation)
    return None


def _clip(operation: Operation, view: View) -> Operation | None:
    """Bounds at whole steps of a rounding that follows are its own: what has fewer than 8 bits is written so."""
    if not isinstance(operation, Rounding):
        return None
    clip = view.writers.get(operation.input)
    if not isinstance(clip, Elementwise) or clip.activation.kind != "clip":
        return None
    rounding = operation.rounding
    steps = [bound / rounding.scale for bound in (clip.activation.a, clip.activation.b)]
    if not all(abs(step) < BYTES and abs(step - round(step)) < WHOLE for step in steps):
        return None
    low, high = (round(step) + rounding.zero for step in steps)
    bounds = max(low, rounding.low), min(high, rounding.high)
    if bounds[0] > bounds[1]:
        return None
    return replace(operation, input=clip.input, rounding=replace(rounding, low=bounds[0], high=bounds[1]))


BYTES = 256
WHOLE = 1e-3
"""How far from a whole number of steps a bound may be by its own rounding."""


def _known(operation: Operation, view: View) -> Operation | None:
    """What is rounded already stays as it is when it is rounded in the same way."""
    if isinstance(operation, Rounding) and rounding_of(operation.input, view.writers) == operation.rounding:
        return Reshape(output=operation.output, input=operation.input, shape=view.shapes[operation.output])
    return None


def rounding_of(name: str, writers: Mapping[str, Operation]) -> FusedRounding | None:
    """How a tensor's values were rounded, None where they were not."""
    operation = writers.get(name)
    if isinstance(operation, Rounding | Convolution | Linear | Binary):
        return operation.rounding
    if isinstance(operation, Reshape | Transpose | Slice) or (
        isinstance(operation, Pool) and operation.reduction == "max"
    ):
        return rounding_of(operation.input, writers)
    return None


def _rounding(operation: Operation, view: View) -> Operation | None:
    """Rounding of what is just being stored."""
    if not isinstance(operation, Rounding):
        return None
    before = _only_read_by(operation, operation.input, view)
    if isinstance(before, Convolution | Linear | Binary) and before.rounding is None:
        return replace(before, output=operation.output, rounding=operation.rounding)
    return None


def drop_aliases(program: Program) -> Program:
    """The program without operations whose output is their input, or that of another rounding in the same way.

    The program's own outputs stay written. ONNX Runtime gives every reader of a rounded tensor a rounding of its own.
    """
    view = View(program)
    same: dict[str, str] = {}
    rounded: dict[tuple[str, FusedRounding], str] = {}
    for operation in program.operations:
        current = _shortened(renamed(operation, same), view)
        first = current.output
        if isinstance(current, Rounding):
            first = rounded.setdefault((current.input, current.rounding), first)
        if current.output not in program.outputs and _moves_nothing(current, view):
            same[current.output] = current.reads[0]
        elif current.output not in program.outputs and first != current.output:
            same[current.output] = first
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
