import math

import pytest

from prunus.cost import (
    bops,
    compression_ratio,
    convolution_macs,
    effective_macs,
    matmul_macs,
    theoretical_speedup,
    uniq_bops,
)


def test_convolution_by_hand():
    assert convolution_macs(positions=6 * 6, weight_shape=(8, 3, 3, 3)) == 36 * 216
    assert convolution_macs(positions=10, weight_shape=(4, 1, 5)) == 200, "depthwise: one input channel per group"


def test_matmul_by_hand():
    assert matmul_macs(2, 3, 5) == 30
    assert matmul_macs(2, 3, 5, batch=4) == 120


def test_effective_macs_are_exact_at_any_size():
    positions, weights = 10**9 + 7, 10**9 + 9
    assert effective_macs(positions * weights, 123_456_789, weights) == positions * 123_456_789
    assert effective_macs(0, 0, 0) == 0


def test_bops_of_fp32_are_1024_per_mac():
    assert bops(7, 32, 32) == 7 * 1024
    assert bops(7, 8, 4) == 7 * 32


def test_uniq_bops_by_hand():
    # 3x3 kernel, 64 input channels, 8 bit weights, 8 bit activations: 64 + 16 + log2(576) = 89.1699...
    assert uniq_bops(1000, 8, 8, fan_in=576) == 89170
    assert uniq_bops(10, 1, 1, fan_in=1) == 30, "a sum of one term needs no more bits than its product"


def test_ratios():
    assert compression_ratio(1000, 100) == 10
    assert theoretical_speedup(1000, 250) == 4
    assert compression_ratio(1000, 0) == math.inf
    assert theoretical_speedup(1000, 0) == math.inf


@pytest.mark.parametrize("bits", [1, 8, 32])
def test_accumulator_makes_uniq_larger(bits):
    assert uniq_bops(100, bits, bits, fan_in=9) > bops(100, bits, bits)
