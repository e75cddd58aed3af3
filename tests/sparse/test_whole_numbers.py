"""Networks of bytes and weights of 8 bits: the engine against the reference, and against ONNX Runtime.

Scales are powers of two where bits are compared: then fp32 and float64 compute the same, ties included.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from prunus.errors import InputError
from prunus.export import write_onnx
from prunus.sparse import from_onnx, load, pack, program as p
from prunus.sparse.engine import Engine
from prunus.sparse.native import missing, prepare
from prunus.sparse.packing import read_packed, write_packed
from prunus.sparse.passes import simplify
from prunus.sparse.plan import ExecutionPlan, OnnxPart, Port
from prunus.sparse.shapes import infer_shapes
from sparse.reference import Reference

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
ISAS = []
if missing() is None:
    from prunus.sparse import _native
    from prunus.sparse.execution.prepared import NativeExecutor

    ISAS = _native.isas_of_this_machine()
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


class Maker:
    """Draws a program of layers that read and write bytes."""

    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.constants, self.operations, self.roundings = {}, [], {}
        batch = self.one_of(1, 2, 3, 16, 17)
        self.shapes = {"x": (batch, self.one_of(1, 3, 4, 10), *self.draw.integers(4, 10, 2).tolist())}
        self.add(p.Rounding(output="t0", input="x", rounding=self.rounding(2.0**-5)))
        for number in range(1, self.draw.integers(2, 6)):
            self.one_of(self.convolution, self.convolution, self.sum, self.pool)(f"t{number}")

    def one_of(self, *choices):
        return choices[self.draw.integers(len(choices))]

    def rounding(self, scale):
        zero = int(self.one_of(0, 0, 128, 255, 10))
        return p.FusedRounding(scale, zero, *self.one_of((0, 255), (0, 255), (0, 15) if zero < 15 else (0, 255)))

    def add(self, operation):
        self.operations.append(operation)
        self.shapes[operation.output] = infer_shapes(self.program())[operation.output]

    def program(self, outputs=None):
        last = outputs or (self.operations[-1].output,)
        return p.Program({"x": self.shapes["x"]}, tuple(self.operations), last, self.constants)

    def constant(self, value, name):
        self.constants[name] = value
        return name

    def convolution(self, output):
        given = self.one_of(*[name for name in self.shapes if name != "x"])
        channels = self.shapes[given][1]
        groups = 2 if channels % 8 == 0 and self.draw.random() < 0.3 else 1
        outs = self.one_of(4, 16, 24) if groups > 1 else self.one_of(1, 3, 4, 8, 16, 24)
        outs = outs if groups == 1 else 16
        kernel = self.one_of((1, 1), (3, 3), (3, 1), (2, 2))
        weight = self.draw.integers(-128, 128, (outs, channels // groups, *kernel))
        weight[self.draw.random(weight.shape) < self.one_of(0, 0.6, 0.95)] = 0
        bias = self.draw.integers(-999, 999, outs) * 2.0**-12
        padding = self.one_of((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 0))
        shape = infer_shapes(self.program())[given]
        if any(size + padding[a] + padding[a + 2] < kernel[a] for a, size in enumerate(shape[2:])):
            return
        self.add(
            p.Convolution(
                output=output,
                input=given,
                weight=self.constant(weight.astype(np.int8), f"{output}.w"),
                weight_scale=self.constant(np.full(outs, 2.0 ** -self.draw.integers(6, 9), np.float32), f"{output}.s"),
                bias=self.constant(bias.astype(np.float32), f"{output}.b"),
                strides=self.one_of((1, 1), (1, 1), (2, 2), (1, 2), (3, 3)),
                padding=padding,
                groups=groups,
                activation=self.one_of(None, p.FusedActivation("relu"), p.FusedActivation("clip", -1.0, 2.5)),
            )
        )
        if self.draw.random() < 0.9:
            self.add(
                p.Rounding(output=f"{output}.r", input=output, rounding=self.rounding(2.0 ** -self.draw.integers(1, 5)))
            )

    def sum(self, output):
        given = self.one_of(*[name for name in self.shapes if name != "x"])
        others = [name for name, shape in self.shapes.items() if shape == self.shapes[given] and name != "x"]
        self.add(
            p.Binary(
                output=output,
                left=given,
                right=self.one_of(*others),
                operator="add",
                activation=self.one_of(None, p.FusedActivation("relu")),
            )
        )
        self.add(p.Rounding(output=f"{output}.r", input=output, rounding=self.rounding(2.0**-3)))

    def pool(self, output):
        given = self.one_of(*[name for name in self.shapes if name != "x"])
        if min(self.shapes[given][2:]) >= 3:
            self.add(
                p.Pool(
                    output=output,
                    input=given,
                    reduction="max",
                    kernel=(3, 3),
                    strides=self.one_of((1, 1), (2, 2)),
                    padding=(1, 1, 1, 1),
                )
            )


@pytest.mark.parametrize("isa", ISAS)
@QUICK
@given(seed=st.integers(0, 2**32 - 1), threads=st.sampled_from([1, 3]))
def test_a_random_program_of_bytes_is_the_reference_bit_for_bit(isa, seed, threads):
    maker = Maker(seed)
    program = simplify(maker.program())
    given_ = np.random.default_rng(seed).standard_normal(maker.shapes["x"]).astype(np.float32)
    [expected] = Reference(program).run([given_])
    [found] = NativeExecutor(program, threads, {}, isa).run([given_])
    np.testing.assert_array_equal(found, expected)


@QUICK
@given(seed=st.integers(0, 2**32 - 1))
def test_passes_leave_the_program_what_it_is(seed):
    maker = Maker(seed)
    given_ = np.random.default_rng(seed).standard_normal(maker.shapes["x"]).astype(np.float32)
    program = maker.program()
    [before], [after] = Reference(program).run([given_]), Reference(simplify(program)).run([given_])
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rows", [3, 4, 17, 40])
def test_linear_layers_of_bytes_are_the_reference(isa, rows):
    draw = np.random.default_rng(rows)
    weight = draw.integers(-128, 128, (10, 37))
    weight[draw.random(weight.shape) < 0.7] = 0
    constants = {
        "w": weight.astype(np.int8),
        "s": np.full(10, 2.0**-7, np.float32),
        "b": (draw.integers(-9, 9, 10) / 4).astype(np.float32),
    }
    operations = (
        p.Rounding(output="q", input="x", rounding=p.FusedRounding(2.0**-5, 128)),
        p.Linear(output="h", input="q", weight="w", weight_scale="s", bias="b", activation=p.FusedActivation("gelu")),
        p.Linear(output="i", input="q", weight="w", weight_scale="s", rounding=p.FusedRounding(0.25, 7)),
        p.Binary(output="y", left="h", right="i", operator="add"),
    )
    program = p.Program({"x": (2, rows, 37)}, operations, ("y", "i"), constants)
    given_ = draw.standard_normal((2, rows, 37)).astype(np.float32)
    y, i = NativeExecutor(program, 2, {}, isa).run([given_])
    expected_y, expected_i = Reference(program).run([given_])
    np.testing.assert_array_equal(i, expected_i)
    np.testing.assert_allclose(y, expected_y, atol=1e-5)


class Network(nn.Module):
    """What onnxruntime.quantization meets most: strides, a residual sum, pools, a linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.inner = nn.Conv2d(16, 16, 3, padding=1)
        self.skip = nn.Conv2d(16, 32, 1, stride=2)
        self.last = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.stem(x)), 3, 2, 1)
        x = torch.relu(self.skip(x) + self.last(torch.relu(self.inner(x))))
        return self.head(torch.relu(self.depthwise(x)).mean((2, 3)))


@pytest.fixture(scope="module", params=["QUInt8", "QInt8"])
def quantized_file(request, tmp_path_factory):
    """Written by onnxruntime.quantization, static and per channel, with three quarters of the weights zero."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    torch.manual_seed(0)
    network = Network().eval()
    with torch.no_grad():
        for layer in (network.inner, network.skip, network.last):
            layer.weight[torch.rand(layer.weight.shape) < 0.75] = 0
    folder = tmp_path_factory.mktemp(request.param)
    plain, path = folder / "plain.onnx", folder / "quantized.onnx"
    write_onnx(network, torch.randn(1, 3, 32, 32), plain)

    class Reader(CalibrationDataReader):
        left = 3

        def get_next(self):
            self.left -= 1
            draw = np.random.default_rng(self.left + 1)
            return {"input": draw.standard_normal((4, 3, 32, 32)).astype(np.float32)} if self.left >= 0 else None

    kind = getattr(QuantType, request.param)
    quantize_static(
        str(plain),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=kind,
        weight_type=QuantType.QInt8,
    )
    return path


def onnx_session(path):
    """ONNX Runtime as the file defines it, operation by operation."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def last_scale(path):
    proto = onnx.load(str(path))
    last = [node for node in proto.graph.node if node.op_type == "QuantizeLinear"][-1]
    return float(next(numpy_helper.to_array(one) for one in proto.graph.initializer if one.name == last.input[1]))


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_file_of_onnxruntime_quantization_runs_within_a_step(quantized_file, batch):
    engine = from_onnx(quantized_file, batch=batch, threads=2)
    assert not any(isinstance(part, OnnxPart) for part in engine.plan.parts)
    x = np.random.default_rng(batch).standard_normal((batch, 3, 32, 32)).astype(np.float32)
    expected = onnx_session(quantized_file).run(None, {"input": x})[0]
    # A value at a tie may fall the other way in fp32, once in all layers before.
    assert np.abs(engine.run(x) - expected).max() <= 2.01 * last_scale(quantized_file)
    kernels = [kernel for choice in engine.choices for kernel in choice.values()]
    assert sum(kernel.startswith("int8-") for kernel in kernels) == (4 if batch < 4 else 5)


def test_explain_tells_rung_zeros_and_blocks(quantized_file):
    explained = from_onnx(quantized_file, batch=1).explain(runs=1)
    layers = [layer for layer in explained.layers if layer.kernel.startswith("int8-")]
    assert all(0 < layer.blocks <= 1 for layer in layers)
    assert sum(layer.sparsity > 0.7 for layer in layers) >= 2
    assert "blocks" in str(explained).splitlines()[0]


def test_bits_are_those_of_any_number_of_threads_and_of_a_packed_file(quantized_file, tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 3, 32, 32)).astype(np.float32)
    expected = from_onnx(quantized_file, batch=3).run(x)
    np.testing.assert_array_equal(from_onnx(quantized_file, batch=3, threads=3).run(x), expected)
    size_bytes = pack(quantized_file, tmp_path / "net.prunus", batches=[3])
    np.testing.assert_array_equal(load(tmp_path / "net.prunus", batch=3).run(x), expected)
    assert size_bytes < quantized_file.stat().st_size
    assert (tmp_path / "net.prunus").read_bytes()[8:12] == b"\x02\x00\x00\x00"


def whole_plan(**changes):
    constants = {"w": np.ones((4, 4, 1, 1), np.int8), "s": np.ones(4, np.float32)} | changes.pop("constants", {})
    operation = p.Convolution(output="y", input="q", weight="w", weight_scale="s", **changes)
    program = p.Program(
        {"x": (1, 4, 3, 3)},
        (p.Rounding(output="q", input="x", rounding=p.FusedRounding(0.5, 3)), operation),
        ("y",),
        constants,
    )
    return ExecutionPlan((Port("x", "float32", (1, 4, 3, 3)),), ("y",), (program,))


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (whole_plan(constants={"w": np.ones((4, 4, 1, 1), np.float32)}), "'w' is not int8"),
        (whole_plan(constants={"s": np.ones(4, np.int8)}), "'s' is not float32"),
        (whole_plan(constants={"s": np.ones(3, np.float32)}), "the scale of it"),
        (whole_plan(bias="w"), "read as something else"),
        (whole_plan(rounding=p.FusedRounding(0.0, 3)), "t would round to"),
        (whole_plan(rounding=p.FusedRounding(float("nan"), 3)), "t would round to"),
        (whole_plan(rounding=p.FusedRounding(1.0, 300)), "t would round to"),
        (whole_plan(sum_rounding=p.FusedRounding(1.0, 3, 9, 5)), "t would round to"),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(plan, why, tmp_path):
    write_packed(tmp_path / "bad.prunus", [plan])
    with pytest.raises(InputError, match=why):
        read_packed(tmp_path / "bad.prunus")


@pytest.mark.parametrize("extreme", [2.0**-100, 2.0**100])
def test_extreme_scales_give_bounded_bytes(extreme, tmp_path):
    plan = whole_plan(constants={"s": np.array([0, -1, 3e38, 1e-38], np.float32)}, rounding=p.FusedRounding(extreme, 3))
    write_packed(tmp_path / "odd.prunus", [plan])
    found = load(tmp_path / "odd.prunus").run(np.full((1, 4, 3, 3), 2, np.float32))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 256 * extreme


def test_a_kernel_that_a_file_names_must_be_one(tmp_path):
    plan = whole_plan()
    for name in ("int8-4x4 9x9", "int8-2x4 1x1", "int8-16x4 4x4", "int8-1x4 99x99", "sparse 2x4 16", "int8-4x4 1x-1"):
        engine = Engine(plan, 1, ({"y": name},))
        assert engine.choices[0]["y"].startswith("int8-")
        assert engine.choices[0]["y"] != name


def test_what_could_overflow_is_computed_in_floats():
    weight = np.full((1, 70_000), 127, np.int8)
    operations = (
        p.Rounding(output="q", input="x", rounding=p.FusedRounding(1.0, 0)),
        p.Linear(output="y", input="q", weight="w", weight_scale="s"),
    )
    program = p.Program({"x": (4, 70_000)}, operations, ("y",), {"w": weight, "s": np.ones(1, np.float32)})
    executor = prepare(program, 1)
    assert not any(kernel.startswith("int8-") for kernel in executor.choices().values())
    [found] = executor.run([np.full((4, 70_000), 255, np.float32)])
    np.testing.assert_allclose(found, 255 * 127 * 70_000, rtol=1e-4)


def quantize_and_back(*, zero, other_scale=False):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["i"]),
        helper.make_node("DequantizeLinear", ["i", "other" if other_scale else "scale", "zero"], ["j"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["weight"], axis=0),
        helper.make_node("Conv", ["j", "weight"], ["y"]),
    ]
    constants = {
        "scale": np.float32(0.05), "other": np.float32(0.06), "zero": zero,
        "w": np.random.default_rng(0).integers(60, 190, (4, 4, 1, 1)).astype(np.uint8),
        "ws": np.linspace(0.01, 0.02, 4, dtype=np.float32), "wz": np.full(4, 128, np.uint8),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("zero", [np.uint8(7), np.int8(-7)])
def test_weights_with_zero_points_and_signed_activations(zero, tmp_path):
    onnx.save(quantize_and_back(zero=zero), str(tmp_path / "net.onnx"))
    engine = from_onnx(tmp_path / "net.onnx")
    assert [kernel.startswith("int8-") for kernel in engine.choices[0].values()] == [True]
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 5)).astype(np.float32)
    expected = onnx_session(tmp_path / "net.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(engine.run(x), expected, atol=1e-5)


def test_another_scale_on_the_way_back_is_left_to_onnxruntime(tmp_path):
    onnx.save(quantize_and_back(zero=np.uint8(7), other_scale=True), str(tmp_path / "net.onnx"))
    engine = from_onnx(tmp_path / "net.onnx")
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 5)).astype(np.float32)
    expected = onnx_session(tmp_path / "net.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(engine.run(x), expected, atol=1e-5)


def test_roundings_alike_are_one():
    rounding = p.FusedRounding(0.5, 3)
    operations = (
        p.Elementwise(output="e", input="x", activation=p.FusedActivation("relu")),
        p.Rounding(output="a", input="e", rounding=rounding),
        p.Rounding(output="b", input="e", rounding=rounding),
        p.Binary(output="y", left="a", right="b", operator="add"),
    )
    changed = simplify(p.Program({"x": (2, 4)}, operations, ("y",)))
    assert [operation.kind for operation in changed.operations] == ["elementwise", "rounding", "binary"]
    assert changed.operations[-1].reads == ("a", "a")
