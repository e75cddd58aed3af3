"""Tiny ONNX files, made of nodes and arrays."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def write(path, nodes, constants, shape=("n", 4), outputs=("y",), opset=17, shapes=None):
    """A file of these nodes, which read the input x and the constants."""
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims)
        for name, dims in (shapes or {"x": shape}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        inputs,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array, dtype=np.float32), name) for name, array in constants.items()],
    )
    for value in graph.output:
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return path


def perceptron(path, seed=0, width=64, classes=4, opset=17):
    """Two linear layers and a Relu between them, (n, 16) -> (n, classes)."""
    draw = np.random.default_rng(seed)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["c"], "second"),
        helper.make_node("Add", ["c", "bias"], ["y"]),
    ]
    constants = {
        "w1": draw.standard_normal((16, width)),
        "w2": draw.standard_normal((width, classes)),
        "bias": draw.standard_normal(classes),
    }
    return write(path, nodes, constants, shape=("n", 16), opset=opset)


def inputs(count=60, size=16, seed=1):
    """Standard normal numbers, one row each."""
    draw = np.random.default_rng(seed)
    return [draw.standard_normal((1, size)).astype(np.float32) for _ in range(count)]
