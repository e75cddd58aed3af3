"""MACs of products, from shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence


def convolution_macs(positions: int, weight_shape: Sequence[int]) -> int:
    """MACs of a convolution: each weight element is used once per position, whatever the groups.

    positions: output pixels of one image times images; for a transposed convolution, input pixels.
    weight_shape: (out, in / groups, *kernel); for a transposed convolution (in, out / groups, *kernel).

    A 3x3 convolution from 2 to 4 channels on a 5x5 output:

    >>> convolution_macs(25, (4, 2, 3, 3))
    1800
    """
    return positions * math.prod(weight_shape)


def matmul_macs(rows: int, inner: int, columns: int, batch: int = 1) -> int:
    """MACs of `batch` products of a (rows, inner) by an (inner, columns) matrix.

    >>> matmul_macs(2, 3, 4)
    24
    """
    return batch * rows * inner * columns


def attention_macs(queries: int, keys: int, size: int, value_size: int, batch: int = 1) -> tuple[int, int]:
    """MACs of queries times keys, both of `size` numbers, and of the weights times values of `value_size`.

    Masked places are counted: a dense kernel computes them or not, the formula does not know.

    >>> attention_macs(2, 3, 4, 5)
    (24, 30)
    """
    return matmul_macs(queries, size, keys, batch), matmul_macs(queries, keys, value_size, batch)
