"""From ONNX nodes to the engine's operations: one rule per operator.

What stays out: layouts and kernels. A rule says what is computed, never how.
"""

from __future__ import annotations

import numpy as np

from prunus.errors import InputError
from prunus.sparse.lowering import (
    elementwise,
    fused,
    linear,
    normalisation,
    quantised,
    rearranging,
    window,
)
from prunus.sparse.lowering.lowered import Lowered, Rule
from prunus.sparse.onnx_graph import NotCoveredError, OnnxGraph, OnnxNode
from prunus.sparse.program import Shape
from prunus.sparse.shapes import infer_shape, reads_large_image

RULES: dict[str, Rule] = {
    "Add": elementwise.binary("add"),
    "AveragePool": window.average_pool,
    "BatchNormalization": normalisation.batch_norm,
    "Cast": elementwise.same,
    "Clip": elementwise.clip,
    "Concat": rearranging.concat,
    "Conv": window.convolution,
    "DequantizeLinear": quantised.dequantize,
    "DepthToSpace": rearranging.depth_to_space,
    "Div": elementwise.binary("divide"),
    "Dropout": elementwise.same,
    "Erf": elementwise.function("erf"),
    "Expand": elementwise.expand,
    "Flatten": rearranging.reshape,
    "Gather": rearranging.gather,
    "Gelu": elementwise.gelu,
    "Gemm": linear.gemm,
    "GlobalAveragePool": window.global_average_pool,
    "GlobalMaxPool": window.global_max_pool,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": elementwise.function("hard_swish"),
    "Identity": elementwise.same,
    "InstanceNormalization": normalisation.instance_norm,
    "LayerNormalization": normalisation.layer_norm,
    "LeakyRelu": elementwise.leaky_relu,
    "MatMul": linear.matmul,
    "MaxPool": window.max_pool,
    "Mul": elementwise.binary("multiply"),
    "Neg": elementwise.negative,
    "PRelu": elementwise.prelu,
    "Pad": rearranging.pad,
    "Pow": elementwise.power,
    "Reciprocal": elementwise.reciprocal,
    "ReduceL2": normalisation.reduce_sum(2, root=True),
    "ReduceMax": window.reduce_max,
    "ReduceMean": normalisation.reduce_mean,
    "ReduceSum": normalisation.reduce_sum(1),
    "ReduceSumSquare": normalisation.reduce_sum(2),
    "Relu": elementwise.function("relu"),
    "Reshape": rearranging.reshape,
    "Sigmoid": elementwise.function("sigmoid"),
    "Slice": rearranging.slice_,
    "Softmax": normalisation.softmax,
    "SpaceToDepth": rearranging.space_to_depth,
    "Split": rearranging.split,
    "Sqrt": elementwise.function("sqrt"),
    "Squeeze": rearranging.reshape,
    "Sum": elementwise.sum_,
    "Sub": elementwise.binary("subtract"),
    "Swish": elementwise.swish,
    "Tanh": elementwise.function("tanh"),
    "Transpose": rearranging.transpose,
    "Unsqueeze": rearranging.reshape,
    "Where": elementwise.where,
    **fused.RULES,
}


def lower(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """The operations that compute a node. Raises `NotCoveredError`, with the reason, where there are none.

    What a rule makes is checked against the shapes that the file's own inference gave, so that a rule that
    misunderstands a node leaves it to ONNX Runtime.
    """
    if node.kind not in RULES:
        raise NotCoveredError("the native engine has no such operation")
    lowered = RULES[node.kind](node, graph)
    made = {operation.output for operation in lowered.operations} - set(node.outputs)
    if taken := sorted(graph.names & made.union(lowered.constants)):
        raise NotCoveredError(f"another tensor has the name {taken[0]!r}")
    complete = Lowered(lowered.operations, {**_read_constants(lowered, graph), **lowered.constants})
    _check(complete, node, graph)
    return complete


def _read_constants(lowered: Lowered, graph: OnnxGraph) -> dict[str, np.ndarray]:
    names = {name for operation in lowered.operations for name in operation.reads if graph.is_constant(name)}
    constants = {}
    for name in sorted(names):
        value = graph.constant(name, "operand")
        if value.dtype != np.float32:
            raise NotCoveredError(f"{name!r} is {value.dtype}, not float32")
        constants[name] = np.asarray(value, order="C")
    return constants


def _check(lowered: Lowered, node: OnnxNode, graph: OnnxGraph) -> None:
    shapes = {name: array.shape for name, array in lowered.constants.items()}
    made = {operation.output for operation in lowered.operations}
    for name in {name for operation in lowered.operations for name in operation.reads} - made:
        if name not in shapes and name in graph.names:
            shapes[name] = _fp32(name, graph)
    for operation in lowered.operations:
        try:
            shapes[operation.output] = infer_shape(operation, shapes)
        except InputError as error:
            raise NotCoveredError(str(error)) from error
        if reads_large_image(operation, shapes):
            raise NotCoveredError("what it reads is too large for the native engine")
    for name in node.outputs:
        if name in shapes and shapes[name] != _fp32(name, graph):
            raise NotCoveredError(f"{name!r} would be {shapes[name]} and is {graph.shape(name)}")


def _fp32(name: str, graph: OnnxGraph) -> Shape:
    """The shape of a tensor of fp32 with one element or more. Raises `NotCoveredError` for others."""
    if graph.type(name).dtype != "float32":
        raise NotCoveredError(f"{name!r} is {graph.type(name).dtype}, not float32")
    if min(graph.shape(name), default=1) < 1:
        raise NotCoveredError(f"{name!r} is empty")
    return graph.shape(name)
