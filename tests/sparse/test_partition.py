"""Reading ONNX files: sizes, outside data, and what is left to ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.helper import make_node as node

from prunus.errors import InputError
from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.plan import OnnxPart
from prunus.sparse.program import Program
from sparse.executors import reference
from sparse.onnx_models import deviation, model, onnxruntime_outputs, random_inputs, save

WEIGHT = np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(np.float32)


def conv(given, output):
    return node("Conv", [given, "w"], [output], pads=[1, 1, 1, 1])


def mixed(**changes):
    """conv -> Sin -> conv, and the first conv's result is an output too."""
    nodes = [conv("x", "a"), node("Sin", ["a"], ["b"], name="the sine"), conv("b", "y")]
    return model(nodes, {"x": ("batch", 4, 5, 5)}, ["y", "a"], {"w": WEIGHT}, **changes)


def kinds(plan):
    return ["native" if isinstance(part, Program) else "onnxruntime" for part in plan.parts]


def test_what_is_not_covered_runs_in_onnx_runtime_between_native_parts(tmp_path):
    path = save(mixed(), tmp_path / "model.onnx")
    plan = plan_of(path, batch=2)
    assert kinds(plan) == ["native", "onnxruntime", "native"]
    engine, inputs = Engine(plan, 1, prepare=reference), random_inputs(plan)
    assert deviation(engine.run(*inputs), onnxruntime_outputs(path, inputs)) < 1e-6
    explained = engine.explain()
    assert explained.crossings == 2
    assert [layer.kernel for layer in explained.layers] == ["reference", "onnxruntime", "reference"]
    assert "left to ONNX Runtime: 1 x Sin: the native engine has no such operation" in str(explained)
    assert "the sine" in str(explained)


def test_light_operations_between_others_are_not_worth_a_crossing(tmp_path):
    nodes = [conv("x", "a"), node("Sin", ["a"], ["b"]), node("Relu", ["b"], ["c"]), node("Cos", ["c"], ["y"])]
    path = save(model(nodes, {"x": (1, 4, 5, 5)}, ["y"], {"w": WEIGHT}), tmp_path / "model.onnx")
    plan = plan_of(path)
    assert kinds(plan) == ["native", "onnxruntime"]
    assert [left.kind for left in plan.parts[1].nodes] == ["Sin", "Relu", "Cos"]


def test_integers_subgraphs_and_outputs_without_an_input(tmp_path):
    branch = helper.make_graph(
        [node("Abs", ["a"], ["t"])], "then", [], [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)]
    )
    other = helper.make_graph(
        [node("Neg", ["a"], ["e"])], "else", [], [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)]
    )
    nodes = [
        conv("x", "a"),
        node("If", ["flag"], ["y"], then_branch=branch, else_branch=other),
        node("Add", ["ids", "one"], ["n"]),
        node("Add", ["one", "one"], ["two"]),
    ]
    inputs = {"x": (1, 4, 5, 5), "flag": (), "ids": (3,)}
    dtypes = {"flag": "bool", "ids": "int64", "n": "int64", "two": "int64"}
    constants = {"w": WEIGHT, "one": np.array([1], np.int64)}
    path = save(model(nodes, inputs, ["y", "n", "two"], constants, dtypes=dtypes), tmp_path / "model.onnx")
    plan = plan_of(path)
    assert kinds(plan) == ["native", "onnxruntime"]
    assert plan.constants["two"].tolist() == [2]
    given = random_inputs(plan)
    found = Engine(plan, 1, prepare=reference).run(*given)
    expected = onnxruntime_outputs(path, given)
    assert deviation(found, expected) < 1e-6
    assert [array.dtype for array in found] == [array.dtype for array in expected]


def test_sizes_that_depend_on_the_data_stay_in_onnx_runtime(tmp_path):
    nodes = [node("NonZero", ["x"], ["a"]), node("Cast", ["a"], ["b"], to=1), node("Relu", ["b"], ["y"])]
    path = save(model(nodes, {"x": (2, 3)}, ["y"]), tmp_path / "model.onnx")
    plan = plan_of(path)
    assert kinds(plan) == ["onnxruntime"]
    given = random_inputs(plan)
    assert np.array_equal(Engine(plan, 1).run(*given), onnxruntime_outputs(path, given)[0])


def test_an_open_batch_needs_a_size_and_a_fixed_one_keeps_its_own(tmp_path):
    path = save(mixed(), tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"Dimension 0 of the input 'x' has no size.*batch"):
        plan_of(path)
    assert plan_of(path, shapes={"x": (7, 4, 5, 5)}).batch == 7
    fixed = model([conv("x", "y")], {"x": (3, 4, 5, 5)}, ["y"], {"w": WEIGHT})
    path = save(fixed, tmp_path / "fixed.onnx")
    assert plan_of(path).batch == plan_of(path, batch=3).batch == 3
    with pytest.raises(InputError, match=r"fixed\.onnx cannot be compiled for batches of 4.*first dimension left open"):
        plan_of(path, batch=4)


def test_the_batch_may_be_that_of_any_input(tmp_path):
    nodes = [node("Div", ["x", "t"], ["y"])]
    path = save(model(nodes, {"t": (1,), "x": ("n", 4)}, ["y"]), tmp_path / "model.onnx")
    assert [port.shape for port in plan_of(path, batch=3).inputs] == [(1,), (3, 4)]
    path = save(model([node("Constant", [], ["y"], value_floats=[1.0])], {}, ["y"]), tmp_path / "none.onnx")
    assert plan_of(path, batch=3).constants["y"].tolist() == [1]


def test_other_open_sizes_are_asked_for_by_name(tmp_path):
    nodes = [node("Add", ["x", "z"], ["y"])]
    path = save(model(nodes, {"x": ("n", "length"), "z": ("n", "length")}, ["y"]), tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"Dimension 1 of the input 'x'.*shapes"):
        plan_of(path, batch=2)
    plan = plan_of(path, batch=2, shapes={"x": (2, 5)})
    assert [port.shape for port in plan.inputs] == [(2, 5), (2, 5)]
    with pytest.raises(InputError, match="no input 'q'"):
        plan_of(path, shapes={"q": (2, 5)})
    with pytest.raises(InputError, match="has 2 dimensions"):
        plan_of(path, shapes={"x": (2, 5, 1)})


def external(folder, location):
    """A model whose weight lies in another file."""
    proto = model([conv("x", "y")], {"x": (1, 4, 5, 5)}, ["y"], {"w": WEIGHT})
    onnx.save(proto, str(folder / "model.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0)
    proto = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = location
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def test_data_beside_the_model_is_read(tmp_path):
    path = external(tmp_path, "w.bin")
    assert np.array_equal(plan_of(path).parts[0].constants["w"], WEIGHT)


def test_weights_of_more_than_one_message_go_to_onnx_runtime_in_a_file(tmp_path, monkeypatch):
    weight = np.random.default_rng(0).standard_normal((40, 4, 3, 3)).astype(np.float32)
    path = save(model([conv("x", "y")], {"x": (1, 4, 5, 5)}, ["y"], {"w": weight}), tmp_path / "model.onnx")
    monkeypatch.setattr("prunus.sparse.folding.LARGEST_BYTES", weight.nbytes)
    folders, write = [], onnx.save_model
    monkeypatch.setattr("onnx.save_model", lambda *given, **more: (folders.append(given[1]), write(*given, **more)))
    assert np.array_equal(plan_of(path).parts[0].constants["w"], weight)
    assert len(folders) == 1


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "link.bin", "."])
def test_data_outside_of_the_model_s_folder_is_refused(location, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "w.bin").write_bytes(b"x" * WEIGHT.nbytes)
    (tmp_path / "inner" / "link.bin").symlink_to(tmp_path / "w.bin")
    path = external(tmp_path / "inner", location)
    with pytest.raises(InputError, match=r"takes the tensor 'w' from .*outside of the model's own folder"):
        plan_of(path)


def test_data_that_is_missing_or_too_short_is_refused(tmp_path):
    path = external(tmp_path, "w.bin")
    (tmp_path / "w.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="missing or too short"):
        plan_of(path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(InputError, match="missing or too short"):
        plan_of(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100])
def test_what_is_no_onnx_file_is_refused(content, tmp_path):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.onnx is not an ONNX file"):
        plan_of(tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"There is no file .*b\.onnx"):
        plan_of(tmp_path / "b.onnx")


def test_what_onnx_runtime_cannot_load_is_refused(tmp_path):
    path = save(model([node("NoSuchOperator", ["x"], ["y"])], {"x": (1,)}, ["y"]), tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"ONNX Runtime cannot load .*a\.onnx"):
        plan_of(path)


def test_a_part_s_weights_are_packed_without_their_zeros(tmp_path):
    nodes = [node("ConvTranspose", ["x", "w"], ["y"])]
    path = save(model(nodes, {"x": (1, 4, 5, 5)}, ["y"], {"w": WEIGHT}), tmp_path / "model.onnx")
    (part,) = plan_of(path).parts
    assert isinstance(part, OnnxPart)
    assert np.array_equal(part.constants["w"], WEIGHT)
    assert len(part.model) < WEIGHT.nbytes
