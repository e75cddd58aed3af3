"""Every operator that is covered, in the forms in which it occurs, against ONNX Runtime."""

import numpy as np
import pytest
from onnx.helper import make_node as node

from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.program import Program
from sparse.executors import EXECUTORS
from sparse.onnx_models import deviation, model, onnxruntime_outputs, random_inputs, save


def values(*shape, seed=7):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def ints(*numbers):
    return np.array(numbers, np.int64)


IMAGE = {"x": (2, 4, 7, 6)}
ROWS = {"x": (2, 5, 6)}
MATRIX = {"x": (3, 6)}
WEIGHT = {"w": values(6, 4, 3, 3), "b": values(6)}
NORM = {"s": values(4), "b": values(4), "m": values(4), "v": np.abs(values(4)) + 0.1}


def case(op, inputs, constants=None, opset=20, operands=("x",), outputs=("y",), **attributes):
    return model([node(op, list(operands), list(outputs), **attributes)], inputs, outputs, constants, opset)


def conv(inputs=IMAGE, constants=WEIGHT, operands=("x", "w", "b"), **attributes):
    return case("Conv", inputs, constants, operands=operands, **attributes)


CASES = {
    "conv": conv(),
    "conv-no-bias": conv(operands=("x", "w")),
    "conv-strides-pads": conv(strides=[2, 3], pads=[1, 0, 2, 1]),
    "conv-dilated": conv(dilations=[2, 1], pads=[2, 1, 2, 1]),
    "conv-groups": conv(constants={"w": values(6, 2, 3, 3), "b": values(6)}, group=2),
    "conv-depthwise": conv(constants={"w": values(4, 1, 3, 3), "b": values(4)}, group=4, pads=[1, 1, 1, 1]),
    "conv-same-upper": conv(auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv-same-lower": conv(auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv-valid": conv(auto_pad="VALID"),
    "conv-signal": conv({"x": (2, 4, 9)}, {"w": values(6, 4, 3), "b": values(6)}, strides=[2], pads=[1, 1]),
    "gemm": case("Gemm", MATRIX, {"w": values(6, 4), "b": values(4)}, operands=("x", "w", "b")),
    "gemm-rows": case("Gemm", MATRIX, {"w": values(4, 6), "b": values(4)}, operands=("x", "w", "b"), transB=1),
    "gemm-scaled": case(
        "Gemm", MATRIX, {"w": values(6, 4), "b": values(1, 4)}, operands=("x", "w", "b"), alpha=0.5, beta=2.0
    ),
    "gemm-one-bias": case("Gemm", MATRIX, {"w": values(6, 4), "b": values(1)}, operands=("x", "w", "b")),
    "gemm-bias-matrix": case("Gemm", MATRIX, {"w": values(6, 4), "b": values(3, 4)}, operands=("x", "w", "b")),
    "gemm-bias-column": case("Gemm", MATRIX, {"w": values(6, 4), "b": values(3, 1)}, operands=("x", "w", "b")),
    "gemm-bias-input": case(
        "Gemm", {"x": (3, 6), "c": (3, 4)}, {"w": values(6, 4)}, operands=("x", "w", "c"), beta=1.0
    ),
    "matmul-weight": case("MatMul", ROWS, {"w": values(6, 3)}, operands=("x", "w")),
    "matmul-two": case("MatMul", {"x": (2, 3, 5, 6), "z": (3, 6, 4)}, operands=("x", "z")),
    "matmul-constant-left": case("MatMul", ROWS, {"w": values(3, 5)}, operands=("w", "x")),
    "batch-norm": case("BatchNormalization", IMAGE, NORM, operands=("x", "s", "b", "m", "v"), epsilon=0.01),
    "max-pool": case("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
    "max-pool-ceil": case("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max-pool-ceil-wide": case("MaxPool", {"x": (1, 2, 8, 9)}, kernel_shape=[2, 2], strides=[3, 4], ceil_mode=1),
    "max-pool-dilated": case("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 3]),
    "max-pool-same": case("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "max-pool-signal": case("MaxPool", {"x": (2, 4, 9)}, kernel_shape=[3], strides=[2]),
    "average-pool": case("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 0]),
    "average-pool-counted": case(
        "AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 0], count_include_pad=1
    ),
    "average-pool-ceil": case("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "global-average": case("GlobalAveragePool", IMAGE),
    "global-max": case("GlobalMaxPool", IMAGE),
    "reduce-mean": case("ReduceMean", IMAGE, {"a": ints(-1, 2)}, operands=("x", "a"), keepdims=1),
    "reduce-mean-flat": case("ReduceMean", IMAGE, {"a": ints(1)}, operands=("x", "a"), keepdims=0),
    "reduce-mean-13": case("ReduceMean", IMAGE, opset=13, axes=[2, 3], keepdims=0),
    "reduce-mean-all": case("ReduceMean", IMAGE),
    "reduce-sum": case("ReduceSum", IMAGE, {"a": ints(1, -1)}, operands=("x", "a"), keepdims=0),
    "reduce-sum-square": case("ReduceSumSquare", IMAGE, opset=13, axes=[2]),
    "reduce-l2": case("ReduceL2", IMAGE, opset=13, axes=[1]),
    "reduce-max-image": case("ReduceMax", IMAGE, {"a": ints(2, 3)}, operands=("x", "a"), keepdims=0),
    "relu": case("Relu", IMAGE),
    "leaky-relu": case("LeakyRelu", IMAGE, alpha=0.2),
    "clip": case("Clip", IMAGE, {"l": np.float32(-0.5), "h": np.float32(0.7)}, operands=("x", "l", "h")),
    "clip-below": case("Clip", IMAGE, {"l": np.float32(-0.5)}, operands=("x", "l")),
    "clip-above": case("Clip", IMAGE, {"h": np.float32(0.5)}, operands=("x", "", "h")),
    "clip-6": case("Clip", IMAGE, opset=6, min=-0.5, max=0.5),
    "sigmoid": case("Sigmoid", IMAGE),
    "hard-sigmoid": case("HardSigmoid", IMAGE, alpha=0.3, beta=0.4),
    "hard-sigmoid-default": case("HardSigmoid", IMAGE),
    "hard-swish": case("HardSwish", IMAGE),
    "gelu": case("Gelu", IMAGE),
    "gelu-tanh": case("Gelu", IMAGE, approximate="tanh"),
    "tanh": case("Tanh", IMAGE),
    "erf": case("Erf", IMAGE),
    "pow-2": case("Pow", IMAGE, {"e": np.float32(2)}, operands=("x", "e")),
    "pow-3": case("Pow", IMAGE, {"e": np.float32(3)}, operands=("x", "e")),
    "expand": case("Expand", {"x": (4, 1, 6)}, {"n": ints(2, 1, 7, 1)}, operands=("x", "n")),
    "prelu": case("PRelu", IMAGE, {"s": values(4, 1, 1)}, operands=("x", "s")),
    "sum": case("Sum", {"x": (2, 4, 7, 6), "z": (4, 1, 6)}, operands=("x", "z", "x")),
    "reciprocal": case("Reciprocal", IMAGE),
    "neg": case("Neg", IMAGE),
    "add": case("Add", {"x": (2, 4, 7, 6), "z": (4, 1, 6)}, operands=("x", "z")),
    "sub-constant": case("Sub", IMAGE, {"c": values(4, 1, 1)}, operands=("c", "x")),
    "mul-number": case("Mul", IMAGE, {"c": np.float32(0.25)}, operands=("x", "c")),
    "div": case("Div", IMAGE, {"c": np.abs(values(6)) + 1}, operands=("x", "c")),
    "softmax": case("Softmax", ROWS),
    "softmax-axis": case("Softmax", IMAGE, axis=1),
    "softmax-axis-before-last": case("Softmax", IMAGE, axis=-2),
    "softmax-11-several-axes": case("Softmax", IMAGE, opset=11),
    "softmax-9-several-axes": case("Softmax", IMAGE, opset=9, axis=2),
    "softmax-11": case("Softmax", MATRIX, opset=11),
    "layer-norm": case(
        "LayerNormalization", ROWS, {"s": values(6), "b": values(6)}, operands=("x", "s", "b"), epsilon=0.01
    ),
    "layer-norm-two-axes": case("LayerNormalization", ROWS, {"s": values(5, 6)}, operands=("x", "s"), axis=1),
    "instance-norm": case("InstanceNormalization", IMAGE, {"s": values(4), "b": values(4)}, operands=("x", "s", "b")),
    "concat": case("Concat", {"x": (2, 4, 3), "z": (2, 1, 3)}, operands=("x", "z", "x"), axis=-2),
    "split": case(
        "Split", IMAGE, {"n": ints(1, 3)}, operands=("x", "n"), outputs=("y", "z"), axis=1
    ),
    "split-equal": case("Split", IMAGE, outputs=("y", "z"), axis=1, num_outputs=2),
    "split-11": case("Split", IMAGE, opset=11, outputs=("y", "z"), axis=1, split=[3, 1]),
    "slice": case(
        "Slice", IMAGE,
        {"s": ints(1, -5), "e": ints(100, -1), "a": ints(1, 3), "t": ints(1, 2)},
        operands=("x", "s", "e", "a", "t"),
    ),
    "slice-9": case("Slice", IMAGE, opset=9, starts=[1, 2], ends=[3, 6], axes=[1, 2]),
    "gather-one": case("Gather", IMAGE, {"i": np.int64(-1)}, operands=("x", "i"), axis=1),
    "gather-row": case("Gather", IMAGE, {"i": ints(1, 2)}, operands=("x", "i"), axis=2),
    "pad": case("Pad", IMAGE, {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}, operands=("x", "p")),
    "pad-value-axes": case(
        "Pad", IMAGE, {"p": ints(1, 2), "v": np.float32(-3), "a": ints(2)}, operands=("x", "p", "v", "a")
    ),
    "pad-negative": case("Pad", IMAGE, {"p": ints(0, 0, -1, 2, 0, 0, 3, -2)}, operands=("x", "p")),
    "reshape": case("Reshape", IMAGE, {"n": ints(0, -1, 3)}, operands=("x", "n")),
    "flatten": case("Flatten", IMAGE, axis=2),
    "squeeze": case("Squeeze", {"x": (2, 1, 3, 1)}, {"a": ints(1)}, operands=("x", "a")),
    "unsqueeze": case("Unsqueeze", ROWS, {"a": ints(0, -1)}, operands=("x", "a")),
    "unsqueeze-11": case("Unsqueeze", ROWS, opset=11, axes=[1]),
    "depth-to-space": case("DepthToSpace", {"x": (2, 8, 3, 2)}, blocksize=2),
    "depth-to-space-columns": case("DepthToSpace", {"x": (2, 8, 3, 2)}, blocksize=2, mode="CRD"),
    "space-to-depth": case("SpaceToDepth", {"x": (2, 3, 4, 6)}, blocksize=2),
    "transpose": case("Transpose", IMAGE, perm=[0, 2, 3, 1]),
    "transpose-reverse": case("Transpose", ROWS),
}  # fmt: skip


@pytest.mark.parametrize("prepare", EXECUTORS)
@pytest.mark.parametrize("name", CASES)
def test_a_covered_node_computes_what_onnx_runtime_does(name, prepare, tmp_path):
    path = save(CASES[name], tmp_path / "model.onnx")
    plan = plan_of(path)
    assert len(plan.parts) == 1
    assert isinstance(plan.parts[0], Program), plan.parts[0].nodes
    inputs = random_inputs(plan)
    found = Engine(plan, 1, prepare=prepare).run(*inputs)
    assert deviation(found, onnxruntime_outputs(path, inputs)) < 1e-6


LEFT = {
    "its indices are used": case("MaxPool", IMAGE, outputs=("y", "i"), kernel_shape=[2, 2]),
    "no such operation": case("Sin", IMAGE),
    "weight is not a constant": case("Conv", {"x": (2, 4, 7, 6), "w": (6, 4, 3, 3)}, operands=("x", "w")),
    "runs backwards": case(
        "Slice", IMAGE, {"s": ints(-1), "e": ints(-5), "a": ints(3), "t": ints(-1)}, operands=("x", "s", "e", "a", "t")
    ),
    "does not pad with a constant": case(
        "Pad", IMAGE, {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}, operands=("x", "p"), mode="reflect"
    ),
    "in training mode": case(
        "Dropout", IMAGE, {"r": np.float32(0.5), "t": np.bool_(True)}, operands=("x", "r", "t"), seed=1
    ),
    "another tensor has the name 'w.rows'": case(
        "MatMul", ROWS, {"w": values(6, 3)}, operands=("x", "w"), outputs=("w.rows",)
    ),
    "its exponent": case("Pow", IMAGE, {"e": np.float32(4)}, operands=("x", "e")),
}


@pytest.mark.parametrize("reason", LEFT)
def test_a_node_that_is_not_covered_runs_in_onnx_runtime_and_says_why(reason, tmp_path):
    proto = LEFT[reason]
    del proto.graph.output[1:]
    if reason == "its indices are used":
        proto.graph.output[0].CopyFrom(type(proto.graph.output[0])(name="i"))
        proto.graph.output[0].type.tensor_type.elem_type = 7
    path = save(proto, tmp_path / "model.onnx")
    plan = plan_of(path)
    (left,) = plan.parts[0].nodes
    assert reason in left.reason
    inputs = random_inputs(plan)
    found = Engine(plan, 1).run(*inputs)
    assert np.array_equal(found, onnxruntime_outputs(path, inputs)[0])
