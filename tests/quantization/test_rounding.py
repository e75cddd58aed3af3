"""Rounding to a grid: against a transcription in float64, and gradients against finite differences of their meaning."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from prunus.quantization import Grid, fake_quantize, from_integers, to_integers

FLOATS = st.floats(-1e4, 1e4, width=32)
SCALES = st.sampled_from([2.0**-9, 0.25, 0.5, 1.0, 3.0])


def transcribed(values, scale, zero_point, grid):
    """QuantizeLinear and DequantizeLinear as ONNX defines them, in float64; the quotient is rounded to float32."""
    ratio = (np.asarray(values, np.float64) / scale).astype(np.float32).astype(np.float64)
    integers = np.clip(np.rint(ratio) + zero_point, grid.lowest, grid.highest)
    return integers, (integers - zero_point) * scale


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=FLOATS),
    SCALES,
    st.integers(2, 8),
    st.data(),
)
def test_activations_are_rounded_as_onnx_defines_it(values, scale, bits, data):
    grid = Grid.of_activations(bits)
    zero = data.draw(st.integers(grid.lowest, grid.highest))
    place = torch.tensor(scale), torch.tensor(float(zero))
    integers, expected = transcribed(values, scale, zero, grid)
    assert to_integers(torch.from_numpy(values), *place, grid).numpy() == pytest.approx(integers, abs=0)
    found = fake_quantize(torch.from_numpy(values), *place, grid)
    assert found.numpy() == pytest.approx(expected, rel=1e-7)
    assert fake_quantize(found, *place, grid).equal(found)


@given(hnp.arrays(np.float32, (3, 4), elements=FLOATS), st.integers(2, 8))
def test_weights_are_rounded_row_by_row_and_change_their_sign_with_their_input(rows, bits):
    grid, none = Grid.of_weights(bits), torch.zeros(())
    scale = torch.tensor([[0.5], [1.0], [2.0**-9]])
    found = to_integers(torch.from_numpy(rows), scale, none, grid)
    assert found.abs().max() <= 2 ** (bits - 1) - 1
    assert to_integers(torch.from_numpy(-rows), scale, none, grid).equal(-found)
    for row, one, integers in zip(rows, scale[:, 0].tolist(), found, strict=True):
        assert integers.numpy() == pytest.approx(transcribed(row, one, 0, grid)[0], abs=0)


def test_ties_go_to_even_and_zeros_of_either_sign_to_zero():
    values = torch.tensor([-2.5, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5])
    found = fake_quantize(values, torch.tensor(1.0), torch.tensor(0.0), Grid(-7, 7))
    assert found.tolist() == [-2, -2, 0, 0, 0, 0, 2, 2]
    assert not torch.signbit(found[2:6]).any()


def test_every_tie_falls_as_numpy_has_it_where_torchs_own_operation_does_not():
    scale = torch.tensor(0.0137)
    ties = (torch.arange(-100, 100) + 0.5) * scale
    ours = to_integers(ties, scale, torch.tensor(128.0), Grid(0, 255)).numpy()
    assert (ours == np.rint(ties.numpy() / np.float32(0.0137)) + 128).all()
    theirs = torch.fake_quantize_per_tensor_affine(ties, scale, torch.tensor(128, dtype=torch.int32), 0, 255)
    assert (np.rint(theirs.numpy() / np.float32(0.0137)) + 128 != ours).sum() > 20


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zero_point", [0.0, 2.0])
def test_gradients_are_those_of_their_definition(bits, zero_point):
    """Rounding error held as it is, the result is (v + error x s) inside the range and an end x s outside."""
    grid, step = Grid.of_activations(bits), 1e-6
    values = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    scale = torch.tensor(0.3, dtype=torch.float64)
    zero = torch.tensor(min(zero_point, grid.highest), dtype=torch.float64)
    weights = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    error = torch.round(values / scale) - values / scale

    def meant(values, scale):
        ratio = values / scale
        low, high = grid.lowest - zero, grid.highest - zero
        inside = (ratio >= low) & (ratio <= high)
        return torch.where(inside, (ratio + error) * scale, ratio.clamp(low, high) * scale)

    for each in (values, scale):
        each.requires_grad_()
    (fake_quantize(values, scale, zero, grid, factor=0.25) * weights).sum().backward()
    with torch.no_grad():
        by_scale = (meant(values, scale + step) - meant(values, scale - step)) @ weights / (2 * step)
        by_value = (meant(values + step, scale) - meant(values - step, scale)) * weights / (2 * step)
    assert scale.grad.item() == pytest.approx(0.25 * by_scale.item(), rel=1e-5)
    assert values.grad.numpy() == pytest.approx(by_value.numpy(), abs=1e-6)


def test_integers_stand_for_their_values_in_int64_arithmetic():
    """A layer of integers: sums of products in int64, times both scales, are the product of the values."""
    draws = np.random.default_rng(0)
    inputs, weights = draws.integers(0, 256, (5, 64)), draws.integers(-127, 128, (3, 64))
    scale, zero, steps = 0.01, 13, np.array([0.002, 0.5, 1.0])
    sums = (inputs - zero) @ weights.T * (scale * steps)
    values = from_integers(torch.tensor(inputs).double(), torch.tensor(scale), torch.tensor(zero))
    rows = from_integers(torch.tensor(weights).double(), torch.tensor(steps)[:, None], torch.zeros(()))
    assert (values @ rows.T).numpy() == pytest.approx(sums, rel=1e-6)
