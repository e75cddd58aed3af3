"""Convolutions over a batch whose 2x2 outputs are pooled before they leave the cache: the rest is never written."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from prunus.sparse.execution.pixels import MOST_PIXELS
from prunus.sparse.execution.tiles import fits_whole
from prunus.sparse.program import Convolution, Pool, Program, Shape

LEAST_SIZE = 16
"""Of an image's height. Smaller ones stay in the caches; their tiles leave out products with the zeros around them,
which those that pool do only where they are whole images."""

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
    even = height % 2 == width % 2 == 0 and (height >= LEAST_SIZE or whole)
    nonzero = int(np.count_nonzero(program.constants[op.weight]))
    sparse = nonzero <= MOST_DENSITY * prod(shapes[op.weight])
    clamped = op.activation is None or op.activation.kind in {"relu", "clip"}
    return even and sparse and clamped and op.residual is None and op.groups == 1 and op.strides[1] <= 2
