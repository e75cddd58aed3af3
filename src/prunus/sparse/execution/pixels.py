"""Convolutions over a batch: of images of few pixels, each of which becomes a channel, and those pooled at once.

Of the 36 products of a 3x3 kernel with an image of 2x2 pixels 20 are with the zeros around it. Without zeros between
rows the pixels of all channels lie one after the other, and the convolution is one of 1x1 that leaves these out. Of
those whose 2x2 outputs are pooled before they leave the cache, the rest is never written.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from math import prod

import numpy as np

from prunus.sparse.execution.layout import Tensor
from prunus.sparse.execution.tiles import fits_whole
from prunus.sparse.program import Array, Convolution, Pool, Program, Shape

MOST_PIXELS = 4
"""The most pixels of such an image: each weight is repeated for every pair of pixels that it joins."""


def suits_pixels(op: Convolution, shapes: dict[str, Shape]) -> bool:
    """Whether the images are so small, and every output sees every pixel: what is left out must be zeros only."""
    sizes, kernel = (shapes[op.input][2:], shapes[op.output][2:]), shapes[op.weight][2:]
    if op.groups > 1 or kernel == (1, 1) or any(math.prod(size) > MOST_PIXELS for size in sizes):
        return False
    taps = [_taps(op, axis, sizes[0][axis], sizes[1][axis], kernel[axis]) for axis in (0, 1)]
    return all(0 <= tap < size for axis, size in zip(taps, kernel, strict=True) for row in axis for tap in row)


def _taps(op: Convolution, axis: int, size: int, out: int, kernel: int) -> list[list[int]]:
    """Which place of the kernel joins each output with each pixel; -1 where none does."""
    step, pad, dilation = op.strides[axis], op.padding[axis], op.dilation[axis]
    distances = [[place - (index * step - pad) for place in range(size)] for index in range(out)]
    return [
        [-1 if far % dilation or far // dilation >= kernel else far // dilation for far in row] for row in distances
    ]


def spread_weight(op: Convolution, weight: Array, size: Shape, out: Shape) -> Array:
    """[out channels * out pixels, in channels * pixels, 1, 1]."""
    rows, columns = (_taps(op, axis, size[axis], out[axis], weight.shape[2 + axis]) for axis in (0, 1))
    spread = np.empty((weight.shape[0], *out, weight.shape[1], *size), np.float32)
    for y, x, v, u in np.ndindex(*out, *size):
        spread[:, y, x, :, v, u] = weight[:, :, rows[y][v], columns[x][u]]
    return spread.reshape(weight.shape[0] * math.prod(out), weight.shape[1] * math.prod(size), 1, 1)


def has_no_margins(tensor: Tensor) -> bool:
    """Whether its pixels lie one after the other."""
    assert tensor.layout.image is not None
    _, _, height, width, _, plane, row = tensor.layout.image
    lanes = tensor.layout.lanes
    return row == width * lanes and plane == height * width * lanes


def as_pixels(tensor: Tensor) -> Tensor:
    """The same memory as an image of one pixel."""
    assert tensor.layout.image is not None
    images, channels, height, width, image, _, _ = tensor.layout.image
    lanes, count = tensor.layout.lanes, channels * height * width
    layout = replace(tensor.layout, image=(images, count, 1, 1, image, lanes, lanes))
    return Tensor(layout, tensor.name, of=tensor, finite_flag=tensor.finite_flag)


LEAST_SIZE = 16
"""The least height of an image. Smaller ones stay in the caches; their tiles leave out products with the zeros around
them, which those that pool do only where they are whole images."""

MOST_DENSITY = 0.5
"""Denser convolutions are computed in another way, which has no such tiles."""


def pooled_convolutions(program: Program, shapes: dict[str, Shape], registers: int) -> dict[str, Pool]:
    """Convolution -> the pool that alone reads its output, where both can be one step."""
    writers = {op.output: op for op in program.operations if isinstance(op, Convolution)}
    readers = Counter(name for op in program.operations for name in op.reads)
    readers.update(program.outputs)
    return {
        pool.input: pool
        for pool in program.operations
        if isinstance(pool, Pool) and pool.input in writers and readers[pool.input] == 1 and _halves(pool)
        if _suits(writers[pool.input], program, shapes, registers)
    }


def _halves(pool: Pool) -> bool:
    plain = pool.padding == (0, 0, 0, 0) and pool.dilation == (1, 1)
    return plain and pool.reduction == "max" and pool.kernel == pool.strides == (2, 2)


def _suits(op: Convolution, program: Program, shapes: dict[str, Shape], registers: int) -> bool:
    height, width = shapes[op.output][2:]
    whole = height * width > MOST_PIXELS and fits_whole(height, width, registers)
    floats = op.weight_scale is None and op.rounding is None
    even = height % 2 == width % 2 == 0 and (height >= LEAST_SIZE or whole)
    nonzero = int(np.count_nonzero(program.constants[op.weight]))
    sparse = nonzero <= MOST_DENSITY * prod(shapes[op.weight])
    clamped = op.activation is None or op.activation.kind in {"relu", "clip"}
    return floats and even and sparse and clamped and op.residual is None and op.groups == 1 and op.strides[1] <= 2
