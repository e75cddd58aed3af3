"""Convolutions over a batch whose 2x2 outputs are pooled before they leave the cache: the rest is never written."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from prunus.sparse.program import Convolution, Pool, Program, Shape

LEAST_SIZE = 16
"""Of an image's height. Smaller ones stay in the caches; their tiles leave out products with the zeros around them."""

MOST_DENSITY = 0.5
"""Denser convolutions are computed in another way, which has no such tiles."""


def pooled_convolutions(program: Program, shapes: dict[str, Shape]) -> dict[str, Pool]:
    """Convolution -> the pool that alone reads its output, where both can be one step."""
    writers = {op.output: op for op in program.operations if isinstance(op, Convolution)}
    readers = Counter(name for op in program.operations for name in op.reads)
    readers.update(program.outputs)
    return {
        pool.input: pool
        for pool in program.operations
        if isinstance(pool, Pool) and pool.input in writers and readers[pool.input] == 1 and _halves(pool)
        if _suits(writers[pool.input], program, shapes)
    }


def _halves(pool: Pool) -> bool:
    plain = pool.padding == (0, 0, 0, 0) and pool.dilation == (1, 1)
    return plain and pool.reduction == "max" and pool.kernel == pool.strides == (2, 2)


def _suits(op: Convolution, program: Program, shapes: dict[str, Shape]) -> bool:
    height, width = shapes[op.output][2:]
    even = height % 2 == width % 2 == 0 and height >= LEAST_SIZE
    nonzero = int(np.count_nonzero(program.constants[op.weight]))
    sparse = nonzero <= MOST_DENSITY * prod(shapes[op.weight])
    return even and sparse and op.residual is None and op.groups == 1 and op.strides[1] <= 2
