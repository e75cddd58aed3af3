"""Layers of an ONNX file: what they are given, fewer weights, and whole numbers."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper
from onnxruntime import GraphOptimizationLevel

from compress.onnx_files import perceptron, write
from prunus.compress.file.layers import weighted_layers
from prunus.compress.file.network import read_network_file, run_over
from prunus.compress.file.observing import least_error_range, observe
from prunus.compress.file.quantising import Scale, quantised
from prunus.compress.file.removing import ZerosPattern, thin_out
from prunus.errors import InputError, NotFiniteError
from prunus.system.onnx_session import open_session

LEVELS = {7: GraphOptimizationLevel.ORT_ENABLE_ALL, 8: GraphOptimizationLevel.ORT_DISABLE_ALL}


def nothing(done, count):
    pass


@pytest.mark.parametrize(
    ("attributes", "weight", "size"),
    [
        ({}, (4, 3, 3, 3), (6, 5)),
        ({"pads": [1, 0, 2, 1], "strides": [2, 1]}, (4, 3, 3, 2), (6, 5)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (4, 3, 3, 2), (6, 5)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 3]}, (4, 3, 2, 2), (7, 5)),
        ({"group": 3, "dilations": [2, 1]}, (6, 1, 2, 2), (6, 5)),
        ({"pads": [2, 1], "strides": [2]}, (4, 3, 3), (9,)),
    ],
)
def test_columns_are_what_the_weight_is_multiplied_with(attributes, weight, size, tmp_path):
    draw = np.random.default_rng(0)
    constants = {"w": draw.standard_normal(weight)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], **attributes)]
    network = read_network_file(write(tmp_path / "a.onnx", nodes, constants, shape=("n", 3, *size)))
    (layer,) = weighted_layers(network)
    x = draw.standard_normal((2, 3, *size)).astype(np.float32)
    (expected,) = next(run_over(network.proto, [{"x": x}]))
    columns = layer.columns(x)  # (groups, d, 2 x positions)
    made = layer.read(constants["w"]).reshape(layer.groups, weight[0] // layer.groups, -1).float() @ columns
    shaped = made.reshape(weight[0], 2, -1).transpose(0, 1).reshape(expected.shape)
    np.testing.assert_allclose(shaped.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_products_hold_their_weight_either_way_round_and_a_shared_one_belongs_to_none(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "matmul"),
        helper.make_node("Gemm", ["a", "w2"], ["b"], "gemm", transB=1),
        helper.make_node("MatMul", ["b", "shared"], ["c"]),
        helper.make_node("MatMul", ["c", "shared"], ["y"]),
    ]
    constants = {"w1": np.ones((4, 6)), "w2": np.ones((2, 6)), "shared": np.eye(2)}
    constants["shared"][0, 1] = 3
    layers = weighted_layers(read_network_file(write(tmp_path / "a.onnx", nodes, constants)))
    assert [(layer.name, layer.shape, layer.transposed) for layer in layers] == [
        ("matmul", (6, 4), True),
        ("gemm", (2, 6), False),
    ]


def test_what_stays_makes_up_for_what_goes(tmp_path):
    """Inputs of variance 1 and covariance 0.5: without the second weight the first is 1 + 1 * 0.5 / 1 = 1.5."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "only")]
    network = read_network_file(write(tmp_path / "a.onnx", nodes, {"w": [[1.0], [0.9]]}, shape=("n", 2)))
    (layer,) = weighted_layers(network)
    gram = torch.tensor([[[1.0, 0.5], [0.5, 1.0]]], dtype=torch.float64)
    pattern = ZerosPattern(ZerosPattern.of("element").pattern, (0.5,))
    (thinned,) = thin_out(layer, np.array([[1.0], [0.9]], np.float32), gram, pattern, tmp_path)
    kept, gone = thinned.weight().ravel()
    assert gone == 0
    assert thinned.rate == 0.5
    assert kept == pytest.approx(1 + 0.9 * 0.5, abs=0.01)  # 0.01 is the damping
    # (1, 0.9) H (1, 0.9)ᵀ = 2.71, and of the change (-0.45, 0.9) it is 0.6075
    assert thinned.error == pytest.approx(0.6075 / 2.71, abs=0.001)


@pytest.mark.parametrize(("text", "together"), [("1x4", 4), ("2:4", 4)])
def test_patterns_of_zeros(text, together, tmp_path):
    network = read_network_file(perceptron(tmp_path / "a.onnx"))
    layer = weighted_layers(network)[0]
    weight = numpy_helper.to_array(network.constants["w1"])
    gram = torch.eye(16, dtype=torch.float64)[None]
    for thinned in thin_out(layer, weight, gram, ZerosPattern.of(text), tmp_path):
        zeros = (thinned.weight().T == 0).reshape(-1, together).sum(1)  # outputs first
        assert set(zeros) == ({2} if text == "2:4" else {0, 4})


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"There is no pattern '4:2'. Write element, blocks such as 1x4, or 2:4"):
        ZerosPattern.of("4:2")


def test_gram_matrices_are_means_over_inputs_and_ranges_hold_what_was_seen(tmp_path):
    network = read_network_file(perceptron(tmp_path / "a.onnx"))
    layers = weighted_layers(network)
    feeds = [{"x": np.full((1, 16), value, np.float32)} for value in (1, 2, 3)]
    observed = observe(network, layers, feeds, nothing)
    expected = np.full((16, 16), (1 + 4 + 9) / 3)
    np.testing.assert_allclose(observed.grams["first"][0].numpy(), expected, rtol=1e-6)
    assert observed.ranges["x"] == (1.0, 3.0)
    assert observed.positions == {"first": 1.0, "second": 1.0}


def test_an_outlier_is_cut_off_where_that_rounds_the_rest_better():
    samples = np.concatenate([np.linspace(-1, 1, 100_000), [3.0]])
    low, high = least_error_range(-1.0, 3.0, samples)
    assert low == -1
    assert high < 2.6
    assert least_error_range(0.0, 0.0, np.zeros(4)) == (0.0, 0.0)


def test_a_layer_that_is_given_what_is_not_finite_is_named(tmp_path):
    nodes = [helper.make_node("Log", ["x"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"], "behind")]
    network = read_network_file(write(tmp_path / "a.onnx", nodes, {"w": np.ones((4, 4))}))
    with pytest.raises(NotFiniteError, match=r"What the layer 'behind' is given is not finite"):
        observe(network, weighted_layers(network), [{"x": np.zeros((1, 4), np.float32)}], nothing)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([7, 8]))
def test_products_are_those_of_whole_numbers(tmp_path_factory, seed, bits):
    """The file against the same arithmetic in numpy's int64, ties to even."""
    path = tmp_path_factory.mktemp("q") / "a.onnx"
    draw = np.random.default_rng(seed)
    weight = draw.standard_normal((8, 3)).astype(np.float32)
    weight[draw.random(weight.shape) < 0.4] = 0
    weight[:, 1] = 0
    network = read_network_file(
        write(path, [helper.make_node("MatMul", ["x", "w"], ["y"], "only")], {"w": weight}, shape=("n", 8))
    )
    step = Scale.of((-2.0, 3.0))
    made = quantised(network.proto, weighted_layers(network), {"x": (-2.0, 3.0), "y": (0.0, 1.0)}, bits=bits)
    onnx.checker.check_model(made)
    x = draw.uniform(-3, 4, (5, 8)).astype(np.float32)
    # With 8 bits, a processor without VNNI overflows, which is why layers have 7 there; here no product is fused then.
    (found,) = open_session(made.SerializeToString(), graph_optimization_level=LEVELS[bits]).run(None, {"x": x})
    most = 2 ** (bits - 1) - 1
    scales = np.abs(weight).max(0) / most
    scales[scales == 0] = 1
    whole = np.rint(weight / scales).astype(np.int64)
    given_whole = np.clip(np.rint(x / np.float32(step.scale)) + step.zero, 0, 255).astype(np.int64) - step.zero
    expected = (given_whole @ whole) * (step.scale * scales)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_zeros_stay_zeros_in_the_file_where_weights_alone_are_rounded(tmp_path):
    network = read_network_file(perceptron(tmp_path / "a.onnx"))
    layers = weighted_layers(network)
    weight = numpy_helper.to_array(network.constants["w1"]).copy()
    weight[weight < 0] = 0
    proto = network.with_constants({"w1": weight})
    made = quantised(proto, layers, {}, weights_only={"first", "second"})
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    assert "w1" not in kept
    assert kept["w1_int"].dtype == np.int8
    assert not kept["w1_zero"].any()
    assert np.array_equal(kept["w1_int"] == 0, np.abs(weight) < np.abs(weight).max(0) / 254)
    assert (kept["w1_int"][weight == 0] == 0).all()


def test_convolutions_round_their_results_behind_the_relu_that_reads_them(tmp_path):
    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    constants = {"w": draw.standard_normal((4, 3, 3, 3)), "b": [1e9, 0, 1, -1]}  # one bias beyond all that fits
    network = read_network_file(write(tmp_path / "a.onnx", nodes, constants, shape=("n", 3, 6, 6)))
    layers = weighted_layers(network)
    feeds = [{"x": draw.standard_normal((1, 3, 6, 6)).astype(np.float32)} for _ in range(4)]
    observed = observe(network, layers, feeds, nothing)
    made = quantised(network.proto, layers, observed.ranges)
    onnx.checker.check_model(made)
    readers = [node.op_type for node in made.graph.node if "r" in node.input]
    assert readers == ["QuantizeLinear"]
    (before,), (after,) = (next(run_over(one, feeds)) for one in (network.proto, made))
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=0.01)


def test_tables_and_recurrent_layers_hold_whole_numbers_and_compute_on_real_ones(tmp_path):
    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["table", "ids"], ["found"], "lookup"),  # (n, 4, 64)
        helper.make_node("LSTM", ["found", "w", "r"], ["", "y"], "recurrent", hidden_size=32),
    ]
    constants = {
        "table": draw.standard_normal((100, 64)),
        "w": draw.standard_normal((1, 128, 64)) / 8,
        "r": draw.standard_normal((1, 128, 32)) / 8,
    }
    network = read_network_file(write(tmp_path / "a.onnx", nodes, constants))
    layers = weighted_layers(network)
    assert [layer.name for layer in layers] == ["lookup", "recurrent.W", "recurrent.R"]
    names = {layer.name for layer in layers}
    made = quantised(network.proto, layers, {}, weights_only=names)
    onnx.checker.check_model(made)
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    assert {name: kept[f"{name}_int"].dtype for name in constants} == dict.fromkeys(constants, np.int8)
    assert not set(constants) & set(kept)
    assert {name: kept[f"{name}_scale"].size for name in constants} == {"table": 64, "w": 128, "r": 128}
    x = draw.integers(0, 100, (3, 4)).astype(np.float32)
    (before,), (after,) = (next(run_over(one, [{"x": x}])) for one in (network.proto, made))
    np.testing.assert_allclose(after, before, atol=0.02)
    table = kept["table_int"].astype(np.float64) * kept["table_scale"]
    assert np.abs(table - constants["table"]).max() <= kept["table_scale"].max() / 2 + 1e-6
