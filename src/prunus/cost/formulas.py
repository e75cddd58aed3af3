"""The cost formulas: pure functions of shapes and bits."""

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


def effective_macs(macs: int, nonzero_weights: int, weights: int) -> int:
    """Those of `macs` that have a non-zero weight, where every weight element is used equally often.

    >>> effective_macs(1800, 18, 72)
    450
    """
    return macs * nonzero_weights // weights if weights else 0


def bops(macs: int, weight_bits: int, activation_bits: int) -> int:
    """Bit operations: MACs · weight bits · activation bits (Bayesian Bits, van Baalen et al. 2020, arXiv:2005.07093).

    >>> bops(10, 8, 4)
    320
    """
    return macs * weight_bits * activation_bits


def uniq_bops(macs: int, weight_bits: int, activation_bits: int, fan_in: int) -> int:
    """Bit operations with an accumulator that never overflows, rounded (UNIQ, Baskin et al. 2018, arXiv:1804.10969).

    Multiplying takes bw·ba bit operations, adding as many as the accumulator has bits: bw + ba + log2(fan_in), where
    fan_in = input channels / groups · kernel size, the length of the sum.

    >>> uniq_bops(10, 8, 4, fan_in=16)
    480
    """
    accumulator_bits = weight_bits + activation_bits + math.log2(max(fan_in, 1))
    return round(macs * (weight_bits * activation_bits + accumulator_bits))


def compression_ratio(unpruned_parameters: int, nonzero_parameters: int) -> float:
    """All parameters of the unpruned network over the non-zero ones of the pruned; infinite if none is left.

    >>> compression_ratio(100, 25)
    4.0
    """
    return unpruned_parameters / nonzero_parameters if nonzero_parameters else math.inf


def theoretical_speedup(unpruned_dense_macs: int, effective_macs: int) -> float:
    """Dense MACs of the unpruned network over the effective ones of the pruned: a ratio of counts, not of times.

    >>> theoretical_speedup(1000, 400)
    2.5
    """
    return unpruned_dense_macs / effective_macs if effective_macs else math.inf
