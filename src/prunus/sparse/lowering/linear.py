"""Products with a constant matrix, and of two tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, require
from prunus.sparse.lowering.quantised import StoredWeight, constant, stored_weight
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import Array, Binary, Linear, MatMul, Operation


def matmul(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """MatMul: linear where the right side is a constant matrix."""
    left, right = node.inputs
    stored = stored_weight(graph, right, 1) if len(graph.shape(right)) == 2 else None
    if stored:
        names = f"{node.output}.integers", f"{node.output}.scale"
        made: dict[str, Any] = {names[0]: np.ascontiguousarray(stored.integers.T), names[1]: stored.scale}
        operation = Linear(output=node.output, input=left, weight=names[0], weight_scale=names[1])
        return Lowered((operation,), made)
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
    transposed = bool(node.attributes.get("transB", 0))
    stored = stored_weight(graph, weight, 0 if transposed else 1)
    if stored and alpha == beta == 1:
        return _whole_gemm(node, graph, stored, transposed)
    rows = np.asarray(constant(graph, weight, "weight"), np.float32)
    if not graph.is_constant(weight):
        weight = f"{node.output}.weight"
        made[weight] = rows
    if not transposed:
        made.pop(weight, None)
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
        scaled = np.asarray(constant(graph, addend, "addend"), np.float32) * np.float64(beta)
        addend = f"{addend}.times.{beta}"
        made[addend] = scaled.astype(np.float32)
    return Lowered(_with_addend(node, graph, weight, addend, made), made)


def _whole_gemm(node: OnnxNode, graph: OnnxGraph, stored: StoredWeight, transposed: bool) -> Lowered:
    """With a weight that the file holds as whole numbers."""
    integers = stored.integers if transposed else np.ascontiguousarray(stored.integers.T)
    weight, scale = f"{node.output}.integers", f"{node.output}.scale"
    made: dict[str, Any] = {weight: integers, scale: stored.scale}
    bias = None
    if node.input(2) is not None:
        value = np.asarray(constant(graph, node.input(2), "addend"), np.float32)
        require(value.size in (1, len(integers)) and value.ndim <= 1, "its addend is no bias")
        bias = f"{node.output}.bias"
        made[bias] = np.ascontiguousarray(np.broadcast_to(value.reshape(-1), (len(integers),)))
    operation = Linear(output=node.output, input=node.inputs[0], weight=weight, bias=bias, weight_scale=scale)
    return Lowered((operation,), made)


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
