"""The step of a convolution: what the native engine is told, and the kernels it could run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prunus.errors import InputError
from prunus.sparse.execution.builder import Choice, ProgramBuilder
from prunus.sparse.execution.layout import Layout, Tensor
from prunus.sparse.execution.tiles import candidates, fits_whole, is_even, pooled_dense, read_choice
from prunus.sparse.program import Array, FusedActivation
from prunus.sparse.shapes import LARGEST_IMAGE_BYTES

if TYPE_CHECKING:
    from prunus.sparse import _native


@dataclass(frozen=True)
class Taps:
    """A convolution as the native kernel has it: what its padding did not put into the input is a margin there."""

    strides: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution whose tensors have their layouts. pooled: what is written in place of `out`."""

    given: Tensor
    out: Tensor
    residual: Tensor | None = None
    weight: Array
    bias: Array
    taps: Taps
    activation: FusedActivation | None = None
    pooled: Tensor | None = None

    def make(self, engine: _native.Engine, choice: Choice) -> _native.Step:
        """The step, once every tensor has its place, on the kernel that is named."""
        return engine.convolution(
            view(self.given),
            view(self.out),
            view(self.residual) if self.residual else None,
            np.ascontiguousarray(self.weight),
            self.bias,
            self.taps.strides,
            self.taps.padding,
            self.taps.dilation,
            self.taps.groups,
            native_activation(self.activation),
            read_choice(choice),
            view(self.pooled) if self.pooled else None,
        )


def add_convolution(builder: ProgramBuilder, layer: Layer, places: int, *, only_across: bool = False) -> None:
    """Add the convolution's step to the program. places: output pixels of the whole batch."""
    given, out, residual, pooled, weight = layer.given, layer.out, layer.residual, layer.pooled, layer.weight
    _check_size(given, builder.operation)
    # Zeros are not multiplied, so infinity and NaN of an input would get lost at them. Each step notes whether all that
    # it wrote is finite; where not, whoever reads it takes the skipped products into account.
    out.finite_flag = builder.new_finite_flag()
    if pooled:
        pooled.finite_flag = out.finite_flag
    # The output may lie where the residual does: each sum begins with the residual, which is so read before it is
    # written over.
    if residual and residual.owner is residual is not given.owner:
        out.over = residual
    nonzero = int(np.count_nonzero(weight))
    density = nonzero / max(weight.size, 1)
    kernels = candidates(
        out.layout,
        weight.shape,
        layer.taps.groups,
        density,
        builder.width,
        builder.registers,
        winograd=not pooled and suits_winograd(given.layout, out.layout, weight.shape, layer.taps),
        whole=suits_whole(layer, builder.registers),
    )
    if only_across:
        kernels = tuple(kernel for kernel in kernels if kernel.startswith("dense-across"))
    if pooled:
        kernels = (*(kernel for kernel in kernels if is_even(kernel)), *pooled_dense(weight.shape, builder.registers))
    builder.add(
        [given, *([residual] if residual else [])],
        [pooled or out],
        layer.make,
        candidates=kernels,
        alike=(given.layout, out.layout, weight.shape, layer.taps, residual is None, round(density, 2), pooled is None),
        macs=places * weight.size,
        nonzero_macs=places * nonzero,
    )


def _check_size(given: Tensor, operation: str) -> None:
    """Kernels find each pixel of an image by 32 bits. Raises `InputError` for a larger one."""
    assert given.layout.image is not None
    _, channels, _, _, _, plane, _ = given.layout.image
    size_bytes = 4 * channels * plane
    if size_bytes >= LARGEST_IMAGE_BYTES:
        raise InputError(
            f"The convolution that writes {operation!r} cannot be run on the native engine",
            f"an image of its input takes {size_bytes:,} bytes, and {LARGEST_IMAGE_BYTES - 1:,} are the most",
            "give a smaller image",
        )


def suits_winograd(given: Layout, out: Layout, weight: tuple[int, ...], taps: Taps) -> bool:
    """Whether it is a 3x3 convolution of images for which it saves products."""
    assert given.image is not None
    assert out.image is not None
    plain = (weight[2:], taps) == ((3, 3), Taps((1, 1), (1, 1), (1, 1), 1)) and given.image[2:4] == out.image[2:4]
    return plain and out.key[0] == "image" and min(out.image[2:4]) > 2


def suits_whole(layer: Layer, registers: int) -> bool:
    """Whether it is a 3x3 convolution of a batch of images so small that a tile can be a whole one."""
    given, out = layer.given.layout.image, layer.out.layout.image
    assert given is not None
    assert out is not None
    plain = (layer.weight.shape[2:], layer.taps) == ((3, 3), Taps((1, 1), (1, 1), (1, 1), layer.taps.groups))
    small = given[2:4] == out[2:4] and fits_whole(out[2], out[3], registers)
    return plain and small and layer.out.layout.lanes > 1 and bool(np.isfinite(layer.weight).all())


def view(tensor: Tensor) -> _native.View:
    """A placed image as the native engine names it."""
    from prunus.sparse import _native

    assert tensor.layout.image is not None
    images, channels, height, width, image_stride, plane, row = tensor.layout.image
    return _native.View(
        tensor.start, images, channels, height, width, tensor.layout.lanes, image_stride, plane, row, tensor.finite_flag
    )


def native_activation(activation: FusedActivation | None) -> tuple[str, float, float] | None:
    """An activation as the native engine names it."""
    return (activation.kind, activation.a, activation.b) if activation else None
