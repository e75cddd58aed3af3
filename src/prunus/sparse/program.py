"""What the native engine runs: a list of operations over tensors whose shapes are all known, batch included.

Every tensor is fp32, dense and row-major, what was rounded to bytes too; images are (batch, channels, height, width). A
program says what is computed, not how: layouts, memory and the choice of a kernel are the engine's, and so is whether
bytes are stored as bytes. NaN and infinity go through every operation as they would through the dense one in fp32, but
for roundings: they give the nearest bound, and the lower one for what is not a number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]


class StoredConstants(Mapping[str, Any]):
    """Constants that are unpacked when they are asked for, each time anew; their shapes are known without that."""

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, Shape]:
        """Name -> shape."""


ActivationKind: TypeAlias = Literal[
    "relu",  # max(x, 0)
    "leaky_relu",  # x where x >= 0, else a x
    "clip",  # min(max(x, a), b); a and b may be infinite
    "sigmoid",  # 1 / (1 + exp(-x))
    "hard_sigmoid",  # min(max(a x + b, 0), 1)
    "hard_swish",  # x min(max(x / 6 + 1/2, 0), 1)
    "silu",  # x / (1 + exp(-x))
    "gelu",  # x (1 + erf(x / sqrt 2)) / 2
    "gelu_tanh",  # x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
    "tanh",
    "erf",
    "sqrt",
    "nan_to_zero",  # 0 where x is not a number, else x
]


@dataclass(frozen=True)
class FusedActivation:
    """A function of every element, by name; `a` and `b` are its parameters where it has any."""

    kind: ActivationKind
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True)
class FusedRounding:
    """To a byte and back: (clip(rint(x / scale) + zero, low, high) - zero) * scale, halves to the even number.

    It is what QuantizeLinear and DequantizeLinear of ONNX do one after the other. zero, low, high: from 0 to 255.
    """

    scale: float
    zero: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True, kw_only=True)
class _Operation:
    """Writes `output`, a new name, from tensors by name. `operands`: the fields that name what is read."""

    output: str
    operands: ClassVar[tuple[str, ...]] = ("input",)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of all tensors and constants that are read, in the order of `operands`; absent ones left out."""
        return tuple(name for field in self.operands if (name := getattr(self, field)) is not None)


@dataclass(frozen=True, kw_only=True)
class Convolution(_Operation):
    """rounding(activation(sum_rounding(convolution(input, weight) + bias) + residual)), a cross-correlation.

    input: (batch, groups * c, height, width). weight: a constant (channels, c, kernel height, kernel width).
    bias: a constant (channels,). residual: a tensor of the output's shape. padding: top, left, bottom, right, of zeros.
    weight_scale: a constant (channels,); the weight then holds whole numbers of 8 bits, which are times it.
    """

    kind: Literal["convolution"] = "convolution"
    input: str
    weight: str
    bias: str | None = None
    residual: str | None = None
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: FusedActivation | None = None
    weight_scale: str | None = None
    sum_rounding: FusedRounding | None = None
    rounding: FusedRounding | None = None
    operands: ClassVar[tuple[str, ...]] = ("input", "weight", "bias", "residual", "weight_scale")


@dataclass(frozen=True, kw_only=True)
class Linear(_Operation):
    """rounding(activation(sum_rounding(input @ weight.T + bias) + residual)).

    input: (..., size). weight: a constant (features, size). bias: a constant (features,). residual: as the output.
    weight_scale: as of a convolution.
    """

    kind: Literal["linear"] = "linear"
    input: str
    weight: str
    bias: str | None = None
    residual: str | None = None
    activation: FusedActivation | None = None
    weight_scale: str | None = None
    sum_rounding: FusedRounding | None = None
    rounding: FusedRounding | None = None
    operands: ClassVar[tuple[str, ...]] = ("input", "weight", "bias", "residual", "weight_scale")


@dataclass(frozen=True, kw_only=True)
class MatMul(_Operation):
    """left @ right as in numpy: (..., m, k) and (..., k, n), leading dimensions broadcast; both have two or more."""

    kind: Literal["matmul"] = "matmul"
    left: str
    right: str
    operands: ClassVar[tuple[str, ...]] = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Pool(_Operation):
    """Largest or average value of every window of (batch, channels, height, width).

    padding: top, left, bottom, right; it never gives the largest value. An average divides by the size of the kernel
    where `count_padding`, else by the number of places of the window that lie in the image; it has no dilation.
    """

    kind: Literal["pool"] = "pool"
    input: str
    reduction: Literal["max", "average"]
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    count_padding: bool = False


@dataclass(frozen=True, kw_only=True)
class Binary(_Operation):
    """rounding(activation(left (+, -, *, /) right)), shapes broadcast as in numpy."""

    kind: Literal["binary"] = "binary"
    left: str
    right: str
    operator: Literal["add", "subtract", "multiply", "divide"]
    activation: FusedActivation | None = None
    rounding: FusedRounding | None = None
    operands: ClassVar[tuple[str, ...]] = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Affine(_Operation):
    """activation(input * scale + shift) per channel, the second dimension: a batch normalisation that was not folded.

    input: (batch, channels, ...). scale, shift: constants (channels,).
    """

    kind: Literal["affine"] = "affine"
    input: str
    scale: str
    shift: str
    activation: FusedActivation | None = None
    operands: ClassVar[tuple[str, ...]] = ("input", "scale", "shift")


@dataclass(frozen=True, kw_only=True)
class Elementwise(_Operation):
    """activation(input)."""

    kind: Literal["elementwise"] = "elementwise"
    input: str
    activation: FusedActivation


@dataclass(frozen=True, kw_only=True)
class Rounding(_Operation):
    """rounding(input)."""

    kind: Literal["rounding"] = "rounding"
    input: str
    rounding: FusedRounding


@dataclass(frozen=True, kw_only=True)
class Softmax(_Operation):
    """exp(input) over its sum along one axis (counted from 0)."""

    kind: Literal["softmax"] = "softmax"
    input: str
    axis: int


@dataclass(frozen=True, kw_only=True)
class LayerNorm(_Operation):
    """(input - mean) / sqrt(variance + epsilon) * scale + shift, mean and variance over all axes from `axis` on.

    scale, shift: constants of the shape input.shape[axis:].
    """

    kind: Literal["layer_norm"] = "layer_norm"
    input: str
    scale: str | None = None
    shift: str | None = None
    axis: int
    epsilon: float
    operands: ClassVar[tuple[str, ...]] = ("input", "scale", "shift")


@dataclass(frozen=True, kw_only=True)
class Mean(_Operation):
    """Mean over some axes (ascending, counted from 0); with (2, 3) and `keep`, a global average pool."""

    kind: Literal["mean"] = "mean"
    input: str
    axes: tuple[int, ...]
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Concat(_Operation):
    """Inputs one after the other along one axis."""

    kind: Literal["concat"] = "concat"
    inputs: tuple[str, ...]
    axis: int

    @property
    def reads(self) -> tuple[str, ...]:
        """The inputs."""
        return self.inputs


@dataclass(frozen=True, kw_only=True)
class Slice(_Operation):
    """sizes[d] elements of every dimension d, from starts[d] on, in steps of steps[d] >= 1."""

    kind: Literal["slice"] = "slice"
    input: str
    starts: Shape
    sizes: Shape
    steps: Shape


@dataclass(frozen=True, kw_only=True)
class Pad(_Operation):
    """before[d] and after[d] elements of one value put around every dimension d."""

    kind: Literal["pad"] = "pad"
    input: str
    before: Shape
    after: Shape
    value: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reshape(_Operation):
    """The same elements in row-major order under another shape: flatten, squeeze, unsqueeze."""

    kind: Literal["reshape"] = "reshape"
    input: str
    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Transpose(_Operation):
    """Dimension d of the output is dimension permutation[d] of the input."""

    kind: Literal["transpose"] = "transpose"
    input: str
    permutation: Shape


Operation: TypeAlias = (
    Convolution
    | Linear
    | MatMul
    | Pool
    | Binary
    | Affine
    | Elementwise
    | Rounding
    | Softmax
    | LayerNorm
    | Mean
    | Concat
    | Slice
    | Pad
    | Reshape
    | Transpose
)


@dataclass(frozen=True)
class Program:
    """Operations in an order in which everything is written, once, before it is read.

    inputs: name -> shape, in the order in which they are given. constants: fp32, C-contiguous, but for weights that
    have a scale, which are int8; an operand that is not said to be a constant may be one. outputs: names that
    operations write, in the order in which they are returned. `prunus.sparse.shapes.infer_shapes` gives the shape of
    every name, or refuses a program whose parts do not fit.
    """

    inputs: Mapping[str, Shape]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)

    @property
    def constant_shapes(self) -> Mapping[str, Shape]:
        """Name -> shape of every constant; nothing is unpacked for it."""
        if isinstance(self.constants, StoredConstants):
            return self.constants.shapes
        return {name: array.shape for name, array in self.constants.items()}
