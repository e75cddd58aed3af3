"""Small ONNX models, and what ONNX Runtime makes of them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KINDS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL, "text": TensorProto.STRING}


def model(nodes, inputs, outputs, constants=None, opset=20, dtypes=None):
    """inputs: name -> shape. Outputs get no shape, so that it has to be inferred."""
    dtypes = dtypes or {}
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(n, KINDS[dtypes.get(n, "float32")], s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, KINDS[dtypes.get(n, "float32")], None) for n in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(proto, path):
    onnx.save(proto, str(path))
    return path


def onnxruntime_outputs(path, arrays):
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def random_inputs(plan, seed=0):
    generator = np.random.default_rng(seed)
    return [
        generator.standard_normal(port.shape).astype(np.float32)
        if port.dtype == "float32"
        else generator.integers(0, 2, port.shape).astype(port.dtype)
        for port in plan.inputs
    ]


def deviation(found, expected):
    """Largest difference, relative to the largest expected value, over all outputs."""
    found = found if isinstance(found, tuple) else (found,)
    assert [np.shape(a) for a in found] == [np.shape(b) for b in expected]
    scale = max(float(np.abs(array).max()) for array in expected)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True)) / (scale or 1.0)
