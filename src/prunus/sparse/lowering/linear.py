"""Products with a constant matrix, and of two tensors."""

from __future__ import annotations

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, require
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import Array, Binary, Linear, MatMul, Operation


def matmul(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """MatMul: linear where the right side is a constant matrix."""
    left, right = node.inputs
    if graph.is_constant(right) and len(graph.shape(right)) == 2:
        weight = f"{right}.rows"
        rows = np.ascontiguousarray(graph.constant(right, "weight").T)
        return Lowered((Linear(output=node.output, input=left, weight=weight),), {weight: rows})
    require(min(len(graph.shape(left)), len(graph.shape(right))) >= 2, "one side is a vector")
    return Lowered((MatMul(output=node.output, left=left, right=right),))


def gemm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Gemm with a constant right side: alpha and beta are multiplied into the constants."""
    require(not node.attributes.get("transA", 0), "its left side is transposed")
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    made: dict[str, Array] = {}
    weight = node.inputs[1]
    rows = graph.constant(weight, "weight")
    if not node.attributes.get("transB", 0):
        rows = np.ascontiguousarray(rows.T)
        weight = f"{weight}.rows"
        made[weight] = rows
    if alpha != 1:
        weight = f"{weight}.times.{alpha}"
        made[weight] = (rows * np.float64(alpha)).astype(np.float32)
    addend = node.input(2)
    if addend is None:
        return Lowered((Linear(output=node.output, input=node.inputs[0], weight=weight),), made)
    if beta != 1:
        scaled = graph.constant(addend, "addend") * np.float64(beta)
        addend = f"{addend}.times.{beta}"
        made[addend] = scaled.astype(np.float32)
    return Lowered(_with_addend(node, graph, weight, addend, made), made)


def _with_addend(
    node: OnnxNode, graph: OnnxGraph, weight: str, addend: str, made: dict[str, Array]
) -> tuple[Operation, ...]:
    """The addend as a bias where it is one number per feature, else added afterwards."""
    features = graph.shape(node.output)[-1]
    value = made.get(addend)
    if value is None and graph.is_constant(addend):
        value = graph.constant(addend, "addend")
    if value is not None and value.size in (1, features) and value.shape[-1:] in ((), (1,), (features,)):
        bias = f"{addend}.bias.{features}"
        made.pop(addend, None)
        made[bias] = np.ascontiguousarray(np.broadcast_to(value.reshape(-1), (features,)))
        return (Linear(output=node.output, input=node.inputs[0], weight=weight, bias=bias),)
    product = f"{node.output}.product"
    return (
        Linear(output=product, input=node.inputs[0], weight=weight),
        Binary(output=node.output, left=product, right=addend, operator="add"),
    )
