"""ONNX files of a few bytes that compute constants of gigabytes: memory stays bounded while they are loaded."""

import pytest
from onnx import TensorProto, helper, save

from prunus.errors import PrunusError
from prunus.sparse.compiling import from_onnx
from prunus.system import memory
from security.confined import confined

MOST_BYTES = 96 << 20
HALF_OF_MEMORY = 32 << 20

SHAPES = {
    "a gigabyte": [[1 << 28]],
    "four terabytes": [[1 << 40]],
    "more than there are addresses": [[1 << 31, 1 << 31, 1 << 20]],
    "three gigabytes in small pieces": [[1 << 22]] * 200,
}


def bomb(path, shapes):
    """The sum of the input and of all elements of constants of these shapes."""
    nodes, constants, last = [], [], "x"
    for number, shape in enumerate(shapes):
        constants.append(helper.make_tensor(f"shape{number}", TensorProto.INT64, [len(shape)], shape))
        nodes.append(helper.make_node("ConstantOfShape", [f"shape{number}"], [f"constant{number}"]))
        nodes.append(helper.make_node("ReduceSum", [f"constant{number}"], [f"sum{number}"], keepdims=0))
        nodes.append(helper.make_node("Add", [last, f"sum{number}"], [f"y{number}"]))
        last = f"y{number}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "bomb", ends[:1], ends[1:], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.mark.parametrize("name", SHAPES)
def test_constants_that_are_folded_take_no_more_than_they_may(name, tmp_path, monkeypatch):
    bomb(tmp_path / "small.onnx", [[3]])
    from_onnx(tmp_path / "small.onnx", batch=1)  # everything is imported once
    monkeypatch.setattr(memory, "half_of_memory", lambda: HALF_OF_MEMORY)
    bomb(tmp_path / "bomb.onnx", SHAPES[name])

    def load():
        try:
            from_onnx(tmp_path / "bomb.onnx", batch=1)
        except PrunusError:
            return

    verdict = confined(load, tmp_path)
    assert (verdict.kind, verdict.signal) == ("", 0), verdict
    assert verdict.peak_bytes < MOST_BYTES, verdict
