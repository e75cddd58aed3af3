"""Least-change removal and rounding in one pass."""

import copy
from dataclasses import replace
from itertools import product

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, strategies as st
from onnx import numpy_helper
from safetensors.numpy import load_file
from torch import nn

import prunus
from prunus.errors import PrunusError
from prunus.quantization import Grid, quantized_layers
from prunus.reconstruct import rounding
from prunus.reconstruct.least_change import change, damped
from prunus.reconstruct.rounding import column_by_column, descended, nearest, rounded


def problem(groups, rows, width, seed=0, zeros=0.0):
    """A weight, its Hessian, what is gone of it, and the weight with zeros there."""
    draws = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draws, dtype=torch.float64)

    inputs = normal(groups, 4 * width, width) @ normal(groups, width, width)
    weight = normal(groups, rows, width)
    gone = torch.rand(weight.shape, generator=draws) < zeros
    return weight, damped(inputs.mT @ inputs / (4 * width)), gone, weight.masked_fill(gone, 0)


def steps(weight, bits):
    return weight.abs().amax(-1).clamp_min(1e-3) / Grid.of_weights(bits).highest


def rounded_by_hand(start, hessian, gone, scale, highest):
    """One row at a time, with the inverse Hessian of the columns that are not rounded yet: OBQ's two formulas."""
    found = np.zeros_like(start)
    for row, values in enumerate(start):
        now, inverse = values.copy(), np.linalg.inv(hessian)
        for column in np.argsort(-np.diag(hessian), kind="stable"):
            whole = np.clip(np.round(now[column] / scale[row]), -highest, highest)
            found[row, column] = 0 if gone[row, column] else whole * scale[row]
            now -= (now[column] - found[row, column]) / inverse[column, column] * inverse[:, column]
            inverse -= np.outer(inverse[:, column], inverse[column]) / inverse[column, column]
            inverse[column, column] = 1  # not read again; what is beside it is zero now
    return found


@pytest.mark.parametrize(("groups", "rows", "width", "at_once"), [(1, 3, 7, 128), (2, 2, 5, 2), (1, 4, 9, 4)])
@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_columns_are_rounded_as_by_hand(monkeypatch, groups, rows, width, at_once, bits, zeros):
    monkeypatch.setattr(rounding, "COLUMNS_AT_ONCE", at_once)
    weight, hessian, gone, start = problem(groups, rows, width, seed=bits, zeros=zeros)
    scale, grid = steps(weight, bits), Grid.of_weights(bits)
    found = column_by_column(start, hessian, gone, scale, grid)
    for group in range(groups):
        arrays = (one[group].numpy() for one in (start, hessian, gone, scale))
        np.testing.assert_allclose(found[group].numpy(), rounded_by_hand(*arrays, grid.highest), rtol=1e-12)


def descended_by_hand(weight, now, hessian, gone, scale, highest):
    """Every weight tries all integers, and takes the one of least error; over and over until none changes."""

    def error(row, values):
        return (weight[row] - values) @ hessian @ (weight[row] - values)

    changed = True
    while changed:
        changed = False
        for row, column in product(*map(range, now.shape)):
            if not gone[row, column]:
                tried = [now[row].copy() for _ in range(2 * highest + 1)]
                for whole, one in zip(range(-highest, highest + 1), tried, strict=True):
                    one[column] = whole * scale[row]
                best = min(tried, key=lambda one, row=row: error(row, one))
                if error(row, best) < error(row, now[row]) * (1 - 1e-12):
                    now[row], changed = best, True
    return now


@pytest.mark.parametrize("at_once", [128, 3])
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_every_weight_takes_its_best_step_as_by_hand(monkeypatch, at_once, bits, zeros):
    monkeypatch.setattr(rounding, "COLUMNS_AT_ONCE", at_once)

    weight, hessian, gone, start = problem(1, 3, 7, seed=bits, zeros=zeros)
    scale, grid = steps(weight, bits), Grid.of_weights(bits)
    begun = nearest(start, scale, grid)
    found = descended(weight, begun, hessian, gone, scale, grid, sweeps=50)
    arrays = (one[0].numpy() for one in (weight, begun.clone(), hessian, gone, scale))
    np.testing.assert_allclose(found[0].numpy(), descended_by_hand(*arrays, grid.highest), rtol=1e-12)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
def test_it_is_near_the_best_of_all_weights_on_the_grid(zeros):
    ratios, scale = [], torch.full((1, 1), 0.8, dtype=torch.float64)
    grid = Grid.of_weights(2)
    every = 0.8 * torch.tensor(list(product((-1, 0, 1), repeat=7)), dtype=torch.float64)
    for seed in range(30):
        weight, hessian, gone, start = problem(1, 1, 7, seed, zeros)
        allowed = every[(every.masked_fill(~gone[0], 0) == 0).all(1)]
        best = min(change(hessian, weight, one[None, None]) for one in allowed)
        found = change(hessian, weight, rounded(weight, start, hessian, gone, scale, grid))
        assert found >= best * (1 - 1e-9)
        ratios.append(found / best)
    assert sum(ratio < 1 + 1e-9 for ratio in ratios) >= 15  # half of them or more are the best there is
    assert sum(ratios) / len(ratios) < 1.3


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.integers(2, 8), st.floats(0, 1), st.integers(0, 99))
def test_weights_lie_on_the_grid_zeros_stay_and_nothing_is_worse_than_to_nearest(
    groups, rows, width, bits, zeros, seed
):
    weight, hessian, gone, start = problem(groups, rows, width, seed, zeros)
    scale, grid = steps(start, bits), Grid.of_weights(bits)
    found = rounded(weight, start, hessian, gone, scale, grid)
    wholes = found / scale[..., None]
    assert (found[gone] == 0).all()
    torch.testing.assert_close(wholes, wholes.round(), rtol=0, atol=1e-9)
    assert wholes.abs().max() <= grid.highest + 1e-9
    by_columns = column_by_column(start, hessian, gone, scale, grid)
    assert change(hessian, weight, found) <= change(hessian, weight, by_columns) * (1 + 1e-9) + 1e-12


# the whole network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip


INPUTS = [
    nn.functional.avg_pool2d(torch.randn(16, 4, 8, 8, generator=torch.Generator().manual_seed(i)), 3, 1, 1)
    for i in range(4)
]
ALL = {"weights": 4, "activations": 8, "first_last": 4}


@torch.no_grad()
def nearest_error(model, name):
    """The error of a layer's outputs with its weight rounded by itself, to the range of least squared error."""
    layer, seen = model.get_submodule(name), []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.eval()(torch.cat(INPUTS))
    handle.remove()
    plain = prunus.quantize(copy.deepcopy(model), INPUTS, {**ALL, "activations": 32}).model.get_submodule(name)
    before, after = layer(seen[0]), plain(seen[0])
    products = before - layer.bias.reshape(-1, *(1,) * (before.dim() - 2))
    return float((before - after).double().square().mean() / products.double().square().mean())


def test_errors_stand_beside_those_of_rounding_to_nearest(network):
    found = prunus.reconstruct(network, INPUTS, bits=ALL)
    assert [(row.layer, row.bits) for row in found.layers] == [("0", 4), ("3", 4), ("8", 4), ("10", 4)]
    for row in found.layers[:2]:
        assert row.magnitude_error == pytest.approx(nearest_error(network, row.layer), rel=1e-3)
        assert row.error < 0.6 * row.magnitude_error


@pytest.mark.parametrize(
    ("pattern", "rate"),
    [("element", 0.5), ({"name": "nm", "m": 4}, 0.5), ({"name": "block", "rows": 1, "columns": 4}, 0.5), ("row", 0.25)],
)
@pytest.mark.parametrize("ranges", ["mse", "min-max", "percentile"])
def test_zeros_and_bits_go_together_in_every_pattern(network, pattern, rate, ranges):
    found = prunus.reconstruct(network, INPUTS, rate, pattern=pattern, bits={**ALL, "ranges": ranges})
    for row in found.layers:
        layer = found.model.get_submodule(row.layer)
        assert (row.bits, row.gone) == (4, int((layer.weight == 0).sum()))
        assert row.error <= row.magnitude_error
        assert row.layer == "10" or row.gone >= round(rate * row.weights)
        assert torch.equal(layer.weight_quantizer(layer.weight), layer.weight)  # it lies on the grid
        assert layer.weight_quantizer.integers(layer.weight).abs().max() <= 7
    if pattern == {"name": "nm", "m": 4}:
        left = (found.model[0].weight.movedim(1, -1).reshape(-1, 4) != 0).sum(1)
        assert (left <= 2).all()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_32_bits_are_none(network, rate):
    plain = prunus.reconstruct(network, INPUTS, rate)
    found = prunus.reconstruct(network, INPUTS, rate, bits={"weights": 32, "activations": 32, "first_last": 32})
    assert found.layers == plain.layers
    expected = plain.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.model.state_dict().items())


def test_weights_of_32_bits_are_not_rounded_where_activations_are(network):
    found = prunus.reconstruct(network, INPUTS, 0.5, bits={"weights": 32, "activations": 8, "first_last": 2})
    plain = prunus.reconstruct(network, INPUTS, 0.5)
    assert [replace(row, activation_bits=32) for row in found.layers] == list(plain.layers)
    assert torch.equal(found.model[3].weight, plain.model[3].weight)
    assert quantized_layers(found.model)["3"].activation_bits == 8


def test_zeros_that_a_network_has_stay(network):
    with torch.no_grad():
        network[3].weight[:, ::2] = 0
    found = prunus.reconstruct(network, INPUTS, bits=ALL)
    assert (found.model[3].weight[:, ::2] == 0).all()
    assert (found.model[3].weight[:, 1::2] != 0).any()


def test_activations_are_rounded_and_the_network_given_is_untouched(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = prunus.reconstruct(network, INPUTS, 0.5, bits=ALL)
    assert found.model.training
    assert not quantized_layers(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    layers = quantized_layers(found.model)
    assert list(layers) == ["0", "3", "8", "10"]
    assert all(layer.input_quantizer.is_active for layer in layers.values())
    seen = []
    layers["3"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    found.model.eval()(INPUTS[0])
    assert len(layers["3"].input_quantizer(seen[0]).unique()) <= 256


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_holds_the_same_integers(network, kind):
    layer = nn.Linear(8, 6).to(kind)
    inputs = torch.randn(64, 8).to(kind)
    found = prunus.reconstruct(layer, [inputs], 0.5, protect=[], bits={"weights": 8, "activations": 32})
    quantizer, weight = found.model.weight_quantizer, found.model.weight
    steps = weight.float() / quantizer.scale[:, None]
    assert (steps - steps.round()).abs().max() < 0.5
    assert int((quantizer.integers(weight) == 0).sum()) >= 24


def test_the_files_hold_the_zeros_and_the_integers(network, tmp_path):
    found = prunus.reconstruct(network, INPUTS, 0.5, bits=ALL)
    model = found.model.eval()
    file = prunus.write_onnx(model, INPUTS[0], tmp_path / "small.onnx")
    assert file.deviation < 0.05
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load(file.path).graph.initializer}
    wholes = [one for one in stored.values() if one.dtype == np.int8 and one.ndim == 4]
    for row in found.layers[:2]:
        weight = model.get_submodule(row.layer).weight
        assert any(one.shape == weight.shape and (one == 0).sum() == row.gone for one in wholes)
    prunus.write_integers(model, tmp_path / "small.safetensors")
    held = load_file(tmp_path / "small.safetensors")["3.weight"]
    assert held.dtype == np.int8
    assert ((held == 0) == (model[3].weight == 0).numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": {"weights": 1}}, "weights"),
        ({"bits": {"ignore": ["nowhere"]}}, "'nowhere', which is not in the network"),
        ({"bits": {}, "rate": 1.0}, r"rate 1.0 cannot be used"),
        ({"bits": {}, "inputs": [torch.ones(4, 4, 8, 8)]}, "calibration inputs cannot be used"),
    ],
)
def test_what_cannot_be_done_is_said(network, arguments, message):
    with pytest.raises(PrunusError, match=message):
        prunus.reconstruct(network, **{"inputs": INPUTS, **arguments})


def test_a_weight_that_is_not_finite_is_named(network):
    with torch.no_grad():
        network[10].weight[0, 0] = torch.inf
    with pytest.raises(PrunusError, match=r"layer '10' cannot be quantised.*Its weight has values that are not finite"):
        prunus.reconstruct(network, INPUTS, bits=ALL)


def test_what_keeps_its_bits_is_named():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = prunus.reconstruct(encoder, [torch.randn(16, 5, 8)], bits=ALL)
    assert [row.layer for row in found.layers] == ["linear1", "linear2"]
    assert "MultiheadAttention" in found.left["self_attn.in_proj_weight"]
