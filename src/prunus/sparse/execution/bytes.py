"""What is stored as bytes: tensors that were rounded, and the steps that write and read them.

Four channels of a pixel lie together in the place of a float, so a tensor of bytes is laid out as one of floats with a
quarter of the channels, and is moved as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from prunus.sparse.execution.builder import Choice, ProgramBuilder
from prunus.sparse.execution.convolving import view
from prunus.sparse.execution.layout import QUAD, Layout, Tensor, of_bytes
from prunus.sparse.program import FusedActivation, FusedRounding, Shape

if TYPE_CHECKING:
    from prunus.sparse import _native

Kind: TypeAlias = Literal["image", "columns"]
"""How a tensor lies: in four dimensions as convolutions read them, or features outermost, as linear layers do."""


@dataclass(frozen=True, eq=False)
class Bytes:
    """A rounded tensor as bytes. shape: of the tensor itself."""

    tensor: Tensor
    shape: Shape
    kind: Kind
    rounding: FusedRounding


def float_layout(builder: ProgramBuilder, shape: Shape, kind: Kind) -> Layout:
    """How the floats lie that go to such bytes or come from them."""
    return builder.image_layout(shape) if kind == "image" else builder.columns_layout(shape)


def bytes_layout(builder: ProgramBuilder, shape: Shape, kind: Kind, zero: int) -> Layout:
    """How a tensor of this shape lies as bytes."""
    axis = 1 if kind == "image" else len(shape) - 1
    quads = tuple(-(-size // QUAD) if place == axis else size for place, size in enumerate(shape))
    return of_bytes(float_layout(builder, quads, kind), zero)


def new_bytes(builder: ProgramBuilder, name: str, kind: Kind, rounding: FusedRounding) -> Bytes:
    """What an operation will write as bytes."""
    shape = builder.shapes[name]
    tensor = Tensor(bytes_layout(builder, shape, kind, rounding.zero), name)
    builder.bytes[name] = held = Bytes(tensor, shape, kind, rounding)
    return held


def as_bytes(builder: ProgramBuilder, name: str, kind: Kind) -> Bytes:
    """A rounded tensor as bytes of a kind, made where they are not there."""
    held = builder.bytes.get(name)
    if held is not None and held.kind == kind:
        return held
    if (name, kind) not in builder.other_bytes:
        rounding = builder.rounding(name)
        assert rounding is not None
        builder.other_bytes[name, kind] = quantized(builder, builder.tensor(name), name, kind, rounding)
    return builder.other_bytes[name, kind]


def quantized(builder: ProgramBuilder, source: Tensor, name: str, kind: Kind, rounding: FusedRounding) -> Bytes:
    """A step from floats to bytes."""
    shape = builder.shapes[name]
    given = builder.moved(source, float_layout(builder, shape, kind))
    out = Tensor(bytes_layout(builder, shape, kind, rounding.zero), name)

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        numbers = rounding.scale, rounding.zero, rounding.low, rounding.high
        return engine.quantize(view(given), view(out), *numbers)

    builder.add([given], [out], make)
    return Bytes(out, shape, kind, rounding)


def dequantized(builder: ProgramBuilder, held: Bytes) -> Tensor:
    """A step from bytes to floats."""
    flag = builder.new_finite_flag()
    out = Tensor(float_layout(builder, held.shape, held.kind), held.tensor.name, finite_flag=flag)
    rounding = held.rounding

    def make(engine: _native.Engine, _: Choice) -> _native.Step:
        return engine.dequantize(view(held.tensor), view(out), rounding.scale, rounding.zero, 0, 255)

    builder.add([held.tensor], [out], make)
    return out


def bounds(rounding: FusedRounding, activation: FusedActivation | None) -> tuple[float, float]:
    """Between which whole numbers, counted from the zero point, a value is stored; None where that does not say it.

    >>> bounds(FusedRounding(0.5, 128), None), bounds(FusedRounding(0.5, 3), FusedActivation("clip", 0, 6))
    ((-128.0, 127.0), (0.0, 12.0))
    """
    low, high = float(rounding.low - rounding.zero), float(rounding.high - rounding.zero)
    least, most = clamp(activation)
    scale = np.float32(rounding.scale)
    least, most = float(np.float32(least) / scale), float(np.float32(most) / scale)
    return min(max(low, least), high), max(min(high, most), low)


def clamp(activation: FusedActivation | None) -> tuple[float, float]:
    """The bounds that an activation is; see `clamps`."""
    if activation is None:
        return -np.inf, np.inf
    return (0.0, np.inf) if activation.kind == "relu" else (activation.a, activation.b)


def clamps(activation: FusedActivation | None) -> bool:
    """Whether it does nothing but keep values between two bounds."""
    return (
        activation is None or activation.kind == "relu" or (activation.kind == "clip" and activation.a <= activation.b)
    )
