"""ONNX files that ONNX Runtime runs, written in ways that torch's exporters do not use."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.helper import make_node as node

from prunus.errors import InputError
from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.native import missing
from prunus.sparse.plan import OnnxPart
from prunus.sparse.program import Program
from sparse.executors import reference
from sparse.onnx_models import deviation, model, onnxruntime_outputs, random_inputs, save

MICROSOFT = "com.microsoft"
IMAGE = {"x": (2, 4, 5, 5)}
ROWS = {"x": (3, 8)}


def values(*shape, seed=5):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


WEIGHT = {"w": np.where(np.abs(values(4, 4, 3, 3)) > 1, values(4, 4, 3, 3), 0).astype(np.float32)}
MATRIX = {"w": values(8, 8)}
NORM = {"s": values(4), "b": values(4, seed=6), "m": values(4, seed=7), "v": np.abs(values(4)) + 0.1}


def conv(given, output):
    return node("Conv", [given, "w"], [output], pads=[1, 1, 1, 1])


def norm(given, output):
    return node("BatchNormalization", [given, "s", "b", "m", "v"], [output])


def with_inputs(proto, **shapes):
    """Initialisers that are inputs as well, which a caller may leave out."""
    proto.graph.input.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    return proto


def sparse(proto):
    """The weight as a list of its values and their places."""
    weight = numpy_helper.to_array(proto.graph.initializer[0])
    places = np.argwhere(weight).astype(np.int64)
    entry = helper.make_sparse_tensor(
        numpy_helper.from_array(weight[tuple(places.T)], "w"), numpy_helper.from_array(places, "p"), weight.shape
    )
    del proto.graph.initializer[:]
    proto.graph.sparse_initializer.append(entry)
    return proto


def sequence(proto):
    proto.graph.output.append(helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None))
    return proto


def own_operators(proto):
    proto.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return proto


def of_version_3(proto):
    """As long as constants had to be inputs."""
    proto.ir_version = 3
    types = {value.name: value for value in proto.graph.input}
    for tensor in proto.graph.initializer:
        if tensor.name not in types:
            proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return proto


CASES = {
    "output-is-input": (model([conv("x", "y")], IMAGE, ["y", "x"], WEIGHT), "native"),
    "output-is-constant": (model([conv("x", "y")], IMAGE, ["y", "w"], WEIGHT), "native"),
    "nothing-but-an-input": (model([], IMAGE, ["x"]), ""),
    "constants-are-inputs": (
        with_inputs(model([conv("x", "y")], IMAGE, ["y"], WEIGHT), w=(4, 4, 3, 3)), "native",
    ),
    "constants-are-inputs-that-are-folded": (
        of_version_3(
            model(
                [node("ConstantOfShape", ["s"], ["w"]), conv("x", "a"), node("Sin", ["a"], ["b"]), conv("b", "y")],
                IMAGE, ["y"], {"s": np.array([4, 4, 3, 3])}, opset=9,
            )
        ),
        "native onnxruntime native",
    ),
    "weights-as-a-list": (sparse(model([conv("x", "y")], IMAGE, ["y"], WEIGHT)), "native"),
    "a-sequence": (
        sequence(model([conv("x", "y"), node("SplitToSequence", ["y"], ["parts"], axis=1)], IMAGE, ["y"], WEIGHT)),
        "native onnxruntime",
    ),
    "what-follows-onnx-runtime-s-own-operators": (
        own_operators(
            model(
                [conv("x", "a"), node("TransposeMatMul", ["a", "a"], ["b"], domain=MICROSOFT), conv("b", "y")],
                IMAGE, ["y"], WEIGHT,
            )
        ),
        "native onnxruntime native",
    ),
    "a-pattern-whose-half-is-left": (  # the test of Where must come along
        model(
            [
                conv("x", "a"), node("Sin", ["a"], ["b"]), node("IsNaN", ["b"], ["t"]),
                node("Where", ["t", "zero", "b"], ["c"]), node("Cos", ["c"], ["y"]),
            ],
            IMAGE, ["y"], WEIGHT | {"zero": np.float32(0)},
        ),
        "native onnxruntime",
    ),
    "a-name-like-that-of-a-bias-that-is-made": (
        model(
            [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["n"]), node("Mul", ["n", "n.bias"], ["y"])],
            ROWS, ["y"], MATRIX | {"b": values(8), "n.bias": values(8, seed=8)},
        ),
        "native",
    ),
    "a-name-like-a-transposed-weight": (
        model(
            [node("MatMul", ["x", "w"], ["a"]), node("Mul", ["a", "w.rows"], ["y"])],
            {"x": (8, 8)}, ["y"], MATRIX | {"w.rows": values(8, 8)},
        ),
        None,
    ),
    "weights-as-integers": (
        model(
            [node("DequantizeLinear", ["q", "scale"], ["w"]), conv("x", "y")], IMAGE, ["y"],
            {"q": (10 * WEIGHT["w"]).astype(np.int8), "scale": np.float32(0.1)},
        ),
        "native",
    ),
    "activations-as-integers": (
        model(
            [
                node("QuantizeLinear", ["x", "scale"], ["i"]), node("DequantizeLinear", ["i", "scale"], ["j"]),
                node("DequantizeLinear", ["q", "scale"], ["w"]), conv("j", "y"),
            ],
            IMAGE, ["y"], {"q": (10 * WEIGHT["w"]).astype(np.uint8), "scale": np.float32(0.1)},
        ),
        "native",
    ),
    "weights-normalised-each-time": (
        model(
            [
                node("Reshape", ["w0", "one"], ["w1"]),
                node("BatchNormalization", ["w1", "s", "b", "m", "v"], ["w2", "m2", "v2"], training_mode=1),
                node("Reshape", ["w2", "four"], ["w"]), conv("x", "y"),
            ],
            IMAGE, ["y"],
            {"w0": WEIGHT["w"], "one": np.array([1, 4, -1]), "four": np.array([4, 4, 3, 3])} | NORM, opset=15,
        ),
        "native",
    ),
    "a-text": (
        model([node("StringNormalizer", ["x"], ["y"])], {"x": (2,)}, ["y"], dtypes=dict.fromkeys("xy", "text")),
        "onnxruntime",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_onnx_runtime_runs_gives_the_same_here(name, tmp_path):
    proto, parts = CASES[name]
    path = save(proto, tmp_path / "model.onnx")
    plan = plan_of(path)
    if parts is not None:
        kinds = ["onnxruntime" if isinstance(part, OnnxPart) else "native" for part in plan.parts]
        assert " ".join(kinds) == parts
    engine, inputs = Engine(plan, 1, prepare=reference), random_inputs(plan)
    found, expected = (flat(outputs) for outputs in (engine.run(*inputs), onnxruntime_outputs(path, inputs)))
    assert [array.dtype for array in found] == [array.dtype for array in expected]
    assert name == "a-text" or deviation(found, expected) < 1e-6
    str(engine.explain(runs=1))
    if missing() is None:
        engine.save(tmp_path / "model.prunus")


def flat(outputs):
    """All arrays, those of sequences among them."""
    outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return tuple(array for output in outputs for array in (output if isinstance(output, list) else [output]))


def own(operator, operands, inputs, constants, **attributes):
    """A model of one of ONNX Runtime's own operators."""
    nodes = [node(operator, operands, ["y"], domain=MICROSOFT, **attributes)]
    return own_operators(model(nodes, inputs, ["y"], constants))


PADS = {"pads": [1, 1, 1, 1]}
FUSED = {
    "conv-relu": own("FusedConv", ["x", "w"], IMAGE, WEIGHT, activation="Relu", **PADS),
    "conv-added-leaky": own(
        "FusedConv", ["x", "w", "b", "x"], IMAGE, WEIGHT | NORM, activation="LeakyRelu", activation_params=[0.2], **PADS
    ),
    "conv-added-alone": own("FusedConv", ["x", "w", "", "x"], IMAGE, WEIGHT, **PADS),
    "conv-clip": own("FusedConv", ["x", "w"], IMAGE, WEIGHT, activation="Clip", activation_params=[-0.5, 0.7], **PADS),
    "conv-hard-sigmoid": own(
        "FusedConv", ["x", "w"], IMAGE, WEIGHT, activation="HardSigmoid", activation_params=[0.1, 0.4], **PADS
    ),
    "gemm-leaky": own(
        "FusedGemm", ["x", "w", "w"], {"x": (8, 8)}, MATRIX, activation="LeakyRelu", activation_alpha=0.2, transB=1
    ),
    "matmul-weight": own("FusedMatMul", ["x", "w"], ROWS, {"w": values(5, 8)}, alpha=0.25, transB=1),
    "matmul-columns": own("FusedMatMul", ["x", "w"], {"x": (2, 8, 3)}, {"w": values(8, 5)}, transA=1),
    "matmul-two": own("FusedMatMul", ["x", "z"], {"x": (2, 8, 3), "z": (2, 5, 8)}, {}, alpha=2.0, transA=1, transB=1),
    "gelu": own("Gelu", ["x"], ROWS, {}),
    "bias-gelu": own("BiasGelu", ["x", "b"], ROWS, {"b": values(8)}),
    "fast-gelu": own("FastGelu", ["x", "b"], ROWS, {"b": values(8)}),
    "quick-gelu": own("QuickGelu", ["x"], ROWS, {}, alpha=1.5),
    "skip-layer-norm": own("SkipLayerNormalization", ["x", "x", "s"], {"x": (2, 3, 8)}, {"s": values(8)}, epsilon=0.01),
    "skip-layer-norm-all": own(
        "SkipLayerNormalization", ["x", "k", "s", "t", "b"], {"x": (2, 3, 8), "k": (2, 3, 8)},
        {"s": values(8), "t": values(8, seed=6), "b": values(8, seed=7)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUSED)
def test_onnx_runtime_s_own_operators(name, tmp_path):
    path = save(FUSED[name], tmp_path / "model.onnx")
    plan = plan_of(path)
    assert [type(part) for part in plan.parts] == [Program]
    inputs = random_inputs(plan)
    found = Engine(plan, 1, prepare=reference).run(*inputs)
    assert deviation(found, onnxruntime_outputs(path, inputs)) < 1e-6


def test_a_part_that_cannot_be_divided_runs_as_a_whole(tmp_path, monkeypatch):
    """Where not even ONNX Runtime says what lies between two parts."""
    monkeypatch.setattr("prunus.sparse.folding._declare", lambda proto: None)
    nodes = [
        conv("x", "a"),
        node("TransposeMatMul", ["a", "a"], ["b"], domain=MICROSOFT),
        node("Relu", ["b"], ["c"]),
        conv("a", "d"),
    ]
    nodes += [node("Cos", ["d"], ["e"]), node("Add", ["c", "e"], ["y"])]
    path = save(own_operators(model(nodes, IMAGE, ["y"], WEIGHT)), tmp_path / "model.onnx")
    plan = plan_of(path)
    inputs = random_inputs(plan)
    assert deviation(Engine(plan, 1, prepare=reference).run(*inputs), onnxruntime_outputs(path, inputs)) < 1e-6


def test_a_batch_is_known_by_its_name_at_other_places(tmp_path):
    nodes = [node("MatMul", ["z", "x"], ["y"])]
    path = save(model(nodes, {"x": ("batch", 8), "z": (3, "batch")}, ["y"]), tmp_path / "model.onnx")
    assert [port.shape for port in plan_of(path, batch=4).inputs] == [(4, 8), (3, 4)]


def test_sizes_may_be_0_and_are_open_where_they_are_less(tmp_path):
    nodes = [node("Concat", ["x", "z"], ["y"], axis=1)]
    path = save(model(nodes, {"x": (-1, 0), "z": (-1, 2)}, ["y"]), tmp_path / "model.onnx")
    plan = plan_of(path, batch=3)
    assert [port.shape for port in plan.inputs] == [(3, 0), (3, 2)]
    inputs = random_inputs(plan)
    assert np.array_equal(Engine(plan, 1, prepare=reference).run(*inputs), inputs[1])
    assert [port.shape for port in plan_of(path, shapes={"x": (4, 0), "z": (4, 2)}).inputs] == [(4, 0), (4, 2)]


def test_an_input_of_any_number_of_dimensions_is_given_a_shape(tmp_path):
    proto = model([node("MatMul", ["x", "w"], ["y"])], {"x": None}, ["y"], MATRIX)
    path = save(proto, tmp_path / "model.onnx")
    (part,) = plan_of(path, shapes={"x": (2, 3, 8)}).parts
    assert isinstance(part, Program)
    assert part.inputs["x"] == (2, 3, 8)


@pytest.mark.parametrize("level", ["ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_a_file_that_onnx_runtime_has_optimised(level, tmp_path):
    import onnxruntime

    nodes = [conv("x", "a"), norm("a", "n"), node("Relu", ["n"], ["r"]), conv("r", "c"), node("Add", ["c", "x"], ["d"])]
    nodes += [node("Sigmoid", ["d"], ["e"]), node("Mul", ["d", "e"], ["f"]), conv("f", "y")]
    before = save(model(nodes, IMAGE, ["y"], WEIGHT | NORM), tmp_path / "before.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "after.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(before), options, providers=["CPUExecutionProvider"])
    plan = plan_of(tmp_path / "after.onnx")
    inputs = random_inputs(plan)
    assert deviation(Engine(plan, 1, prepare=reference).run(*inputs), onnxruntime_outputs(before, inputs)) < 1e-5
    assert onnx.load(str(tmp_path / "after.onnx")).graph.node


@pytest.mark.parametrize("sign", ["?", "None", "unknown", "-1"])
def test_a_sign_for_every_unknown_size_names_none(sign, tmp_path):
    """paddle2onnx writes a question mark for each; height and width are not one size for that."""
    proto = model([conv("x", "y")], {"x": ("batch", 4, sign, sign)}, ["y"], WEIGHT)
    path = save(proto, tmp_path / "model.onnx")
    assert plan_of(path, shapes={"x": (1, 4, 5, 9)}).inputs[0].shape == (1, 4, 5, 9)
    with pytest.raises(InputError, match="Dimension 2 of the input 'x' has no size"):
        plan_of(path, batch=1)


def test_dimensions_of_one_name_have_one_size(tmp_path):
    path = save(model([conv("x", "y")], {"x": ("batch", 4, "side", "side")}, ["y"], WEIGHT), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="dimension 3 of the input 'x' is 5"):
        plan_of(path, shapes={"x": (1, 4, 5, 9)})


@pytest.mark.parametrize("asked", [{"batch": 0}, {"shapes": {"x": (0, 4, 5, 5)}}, {"shapes": {"x": (1, 4, 0, 5)}}])
def test_a_size_of_zero_is_refused(asked, tmp_path):
    path = save(model([conv("x", "y")], {"x": ("batch", 4, "height", 5)}, ["y"], WEIGHT), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="cannot run with a size of 0"):
        plan_of(path, **asked)


def test_a_branch_that_is_never_taken_may_contradict_the_sizes(tmp_path):
    """As in networks of two sampling rates: each branch is for a size of its own."""
    ends = {name: [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)] for name in ("t", "e")}
    branches = {
        "then_branch": helper.make_graph([node("MatMul", ["x", "w"], ["t"])], "then", [], ends["t"]),
        "else_branch": helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], ends["e"]),
    }
    proto = model(
        [node("If", ["c"], ["y"], **branches)],
        {"c": (), "x": ("a", "b")},
        ["y"],
        {"w": values(5, 3)},
        dtypes={"c": "bool"},
    )
    plan = plan_of(save(proto, tmp_path / "model.onnx"), shapes={"x": (4, 4)})
    assert "with fixed sizes" in plan.parts[0].nodes[0].reason
    x = values(4, 4)
    assert np.array_equal(Engine(plan, 1, prepare=reference).run(np.array(False), x), -x)
