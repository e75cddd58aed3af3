"""Convolutions and linear layers: which layouts they run in, and on which kernels they could."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prunus.errors import InputError
from prunus.sparse.execution.builder import Choice, ProgramBuilder, Window
from prunus.sparse.execution.convolving import (
    Layer,
    Taps,
    add_convolution,
    native_activation,
    suits_whole,
)
from prunus.sparse.execution.layout import Layout, Tensor, image, plain
from prunus.sparse.execution.pixels import as_pixels, has_no_margins, spread_weight, suits_pixels
from prunus.sparse.execution.tiles import is_whole, whole_tiles
from prunus.sparse.program import Array, Convolution, Linear

if TYPE_CHECKING:
    from prunus.sparse import _native

LEAST_DENSE = 0.6
"""Strided convolutions of single images with this share of non-zero weights run as they are: zeros left out would not
pay for the copies that the sparse form needs."""

FEW_ROWS = 4
"""Linear layers over fewer rows than this are bound by their weights' bytes, and run row by row."""

LINEAR = ("dense", "sparse")
"""Their kernels."""


def convolution(builder: ProgramBuilder, op: Convolution) -> None:
    """Directly where a kernel can; else over the phases of its strides, put side by side as channels."""
    weight = builder.weight(op.weight, op.weight_scale)
    bias = builder.constant(op.bias, np.zeros(weight.shape[0], np.float32))
    given = builder.tensor(op.input)
    out, pooled = Tensor(builder.image_layout(builder.shapes[op.output]), op.output), None
    if pool := builder.pooled.get(op.output):
        pooled = Tensor(builder.image_layout(builder.shapes[pool.output]), pool.output)
    builder.define(pool.output if pool else op.output, pooled or out)
    residual = None
    if op.residual is not None:
        residual = builder.moved(builder.tensor(op.residual), out.layout)
    layer = Layer(
        given=given,
        out=out,
        residual=residual,
        weight=weight,
        bias=bias,
        taps=Taps(op.strides, (op.padding[0], op.padding[1]), op.dilation, op.groups),
        activation=op.activation,
        pooled=pooled,
    )
    source = builder.image_layout(builder.shapes[op.input])
    places = math.prod(builder.shapes[op.output][2:]) * builder.shapes[op.output][0]
    if source.lanes > 1 and suits_pixels(op, builder.shapes):
        moved = builder.moved(given, source)
        if has_no_margins(moved) and has_no_margins(out):
            _convolve_pixels(builder, op, replace(layer, given=moved))
            return
    only_across = False
    if not (is_direct(op, source, out.layout) or (only_across := is_across(op, weight, builder))):
        phases = Phases(op, weight.shape, out.layout.shape)
        given, spread = phases.input(builder, given, out.layout), phases.weight(weight)
        taps = Taps((1, 1), (0, 0), (1, 1), op.groups)
        add_convolution(builder, replace(layer, given=given, weight=spread, taps=taps), places)
        _count(builder, places, weight)
        return
    add_convolution(builder, replace(layer, given=builder.moved(given, source)), places, only_across=only_across)


def _count(builder: ProgramBuilder, places: int, weight: Array) -> None:
    """The multiplications of the step before as those of the network's own weight, which it has among more zeros."""
    builder.steps[-1].macs = places * weight.size
    builder.steps[-1].nonzero_macs = places * int(np.count_nonzero(weight))


def _convolve_pixels(builder: ProgramBuilder, op: Convolution, layer: Layer) -> None:
    """On pixels as channels, or on whole images, whichever is faster."""
    given, out, weight = layer.given, layer.out, layer.weight
    size, place = given.layout.shape[2:], out.layout.shape[2:]
    count = math.prod(place)
    pixels = Layer(
        given=as_pixels(given),
        out=as_pixels(out),
        residual=as_pixels(layer.residual) if layer.residual else None,
        weight=spread_weight(op, weight, size, place),
        bias=np.repeat(layer.bias, count),
        taps=Taps((1, 1), (0, 0), (1, 1), 1),
        activation=layer.activation,
    )
    batch = out.layout.shape[0]
    add_convolution(builder, pixels, batch)
    out.finite_flag = pixels.out.finite_flag
    _count(builder, batch * count, weight)
    if suits_whole(layer, builder.registers):
        step = builder.steps[-1]
        step.make = lambda engine, choice: (layer if is_whole(choice) else pixels).make(engine, choice)
        step.candidates = (*whole_tiles(place[0], place[1], weight.shape), *step.candidates)


def is_across(op: Convolution, weight: Array, builder: ProgramBuilder) -> bool:
    """Whether a strided convolution of single images has so few zeros that it runs as it is, across channels."""
    whole = op.groups == 1 or weight.shape[0] // op.groups % builder.width == 0
    dense = int(np.count_nonzero(weight)) >= LEAST_DENSE * weight.size
    return builder.lanes == 1 and whole and op.strides[1] <= 2 and dense


def is_direct(op: Convolution, source: Layout, out: Layout) -> bool:
    """Whether the kernel runs it as it is: vectors of the batch with strides up to 2, rows of pixels with stride 1."""
    if source.lanes > 1:
        return op.strides[1] <= 2
    return op.strides == (1, 1) and source.strides[2] == out.strides[2]


class Phases:
    """A convolution of stride (s, t) as one of stride 1 over s * t times the channels.

    Phase (p, q) of the padded input holds its rows p, p + s, ... and columns q, q + t, ...; those that no weight meets
    are left out.
    """

    def __init__(self, op: Convolution, weight: tuple[int, ...], out: tuple[int, ...]) -> None:
        self.op, self.out = op, out
        self.taps = [
            [(k * op.dilation[axis] % op.strides[axis], k * op.dilation[axis] // op.strides[axis]) for k in range(size)]
            for axis, size in enumerate(weight[2:])
        ]
        self.phases = [(p, q) for p in _sorted_set(self.taps[0]) for q in _sorted_set(self.taps[1])]
        self.kernel = [max(shift for _, shift in taps) + 1 for taps in self.taps]

    def weight(self, weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The weights, each at its phase and shift."""
        count = len(self.phases)
        shape = (weight.shape[0], weight.shape[1], count, *self.kernel)
        spread = np.zeros(shape, weight.dtype)
        for y, (p, shift_y) in enumerate(self.taps[0]):
            for x, (q, shift_x) in enumerate(self.taps[1]):
                spread[:, :, self.phases.index((p, q)), shift_y, shift_x] = weight[:, :, y, x]
        return spread.reshape(shape[0], shape[1] * count, *self.kernel)

    def input(self, builder: ProgramBuilder, given: Tensor, out: Layout) -> Tensor:
        """The phases as channels, rows as long as those of the output where pixels are neighbours."""
        batch, channels, height, width = given.layout.shape
        count = len(self.phases)
        rows, columns = (self.out[2 + axis] + self.kernel[axis] - 1 for axis in (0, 1))
        spare = out.strides[2] // out.lanes - columns if out.lanes == 1 else 0
        layout = image((batch, channels * count, rows, columns), (0, spare), builder.lanes, builder.width)
        fill = given.layout.fill
        key = (*layout.key, self.op.strides, self.op.padding, tuple(self.phases), height, width, fill)
        layout = replace(layout, key=key, fill=fill)  # type: ignore[arg-type]
        phases = Tensor(layout, f"{given.name} in phases")
        for index, phase in enumerate(self.phases):
            to, source = self._windows(phases, given, index, count, phase)
            if math.prod(to.shape):
                builder.map("copy", phases, given, window=to, source=source)
        return phases

    def _windows(
        self, phases: Tensor, given: Tensor, index: int, count: int, phase: tuple[int, int]
    ) -> tuple[Window, Window]:
        """Where a phase goes, and what of the input it is."""
        batch, channels = given.layout.shape[:2]
        to, source = phases.layout.strides, given.layout.strides
        offset, origin, sizes = index * to[1], 0, []
        for axis in (0, 1):
            step, pad = self.op.strides[axis], self.op.padding[axis]
            # Rows of the phase before `first` lie in the padding, which the layout has as zeros already.
            first = -(-(pad - phase[axis]) // step) if pad > phase[axis] else 0
            start = first * step + phase[axis] - pad
            size = min(phases.layout.shape[2 + axis] - first, -(-(given.layout.shape[2 + axis] - start) // step))
            sizes.append(max(size, 0))
            offset += first * to[2 + axis]
            origin += start * source[2 + axis]
        shape = (batch, channels, *sizes)
        return (
            Window(offset, shape, (to[0], to[1] * count, to[2], to[3]), phases.layout.lanes),
            Window(
                origin,
                shape,
                (source[0], source[1], source[2] * self.op.strides[0], source[3] * self.op.strides[1]),
                given.layout.lanes,
            ),
        )


def linear(builder: ProgramBuilder, op: Linear) -> None:
    """Few rows: row by row. Many: a 1x1 convolution with the rows as pixels."""
    shape = builder.shapes[op.output]
    given, rows = builder.tensor(op.input), math.prod(shape[:-1])
    weight = builder.weight(op.weight, op.weight_scale)
    bias = builder.constant(op.bias, np.zeros(weight.shape[0], np.float32))
    if rows < FEW_ROWS:
        _few_rows(builder, op, rows, weight, bias)
        return
    out = builder.output(builder.columns_layout(shape))
    residual = builder.moved(builder.tensor(op.residual), out.layout) if op.residual is not None else None
    given = builder.moved(given, builder.columns_layout(given.layout.shape))
    layer = Layer(
        given=given,
        out=out,
        residual=residual,
        weight=weight[:, :, np.newaxis, np.newaxis],
        bias=bias,
        taps=Taps((1, 1), (0, 0), (1, 1), 1),
        activation=op.activation,
    )
    add_convolution(builder, layer, rows)


def _few_rows(builder: ProgramBuilder, op: Linear, rows: int, weight: Array, bias: Array) -> None:
    given = builder.tensor(op.input)
    given = builder.moved(given, plain(given.layout.shape))
    out = builder.output(plain(builder.shapes[op.output]))
    residual = None
    if op.residual is not None:
        residual = builder.moved(builder.tensor(op.residual), out.layout)
    nonzero = int(np.count_nonzero(weight))

    def make(engine: _native.Engine, choice: Choice) -> _native.Step:
        if choice not in LINEAR:
            raise InputError(f"There is no kernel {choice!r} of few rows", f"there are {' and '.join(LINEAR)}")
        place = residual.start if residual else -1
        activation = native_activation(op.activation)
        return engine.linear(choice == "sparse", rows, given.start, out.start, place, weight, bias, activation)

    builder.add(
        [given, *([residual] if residual else [])],
        [out],
        make,
        candidates=LINEAR if nonzero < weight.size else LINEAR[:1],
        alike=("linear", rows, weight.shape, round(nonzero / weight.size, 2)),
        macs=rows * weight.size,
        nonzero_macs=rows * nonzero,
    )


def _sorted_set(taps: list[tuple[int, int]]) -> list[int]:
    return sorted({phase for phase, _ in taps})
