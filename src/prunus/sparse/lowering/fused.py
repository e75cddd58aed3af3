"""Operators of ONNX Runtime's own, which stand in files that its optimiser has written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from prunus.sparse.lowering import linear, window
from prunus.sparse.lowering.elementwise import additions
from prunus.sparse.lowering.lowered import Lowered, Rule, require
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import (
    ActivationKind,
    Binary,
    Elementwise,
    FusedActivation,
    LayerNorm,
    Linear,
    MatMul,
    Operation,
    Transpose,
)

ACTIVATIONS: dict[str, ActivationKind] = {
    "Clip": "clip",
    "HardSigmoid": "hard_sigmoid",
    "LeakyRelu": "leaky_relu",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
}


def convolution(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """FusedConv: activation(Conv + a fourth input)."""
    parameters = node.attributes.get("activation_params", ())
    return _followed(window.convolution(node, graph), node, node.input(3), parameters)


def gemm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """FusedGemm: activation(Gemm)."""
    parameters = [node.attributes.get(f"activation_{word}", 0.0) for word in ("alpha", "beta")]
    return _followed(linear.gemm(node, graph), node, None, parameters)


def _followed(
    lowered: Lowered, node: OnnxNode, added: str | None, parameters: tuple[float, ...] | list[float]
) -> Lowered:
    """What computes a node without its end, and then the end."""
    name = node.attributes.get("activation", b"").decode()
    require(not name or name in ACTIVATIONS, f"its activation is {name}")
    *operations, last = lowered.operations
    if added is not None:
        operations.append(replace(last, output=f"{node.output}.unadded"))
        last = Binary(output=node.output, left=f"{node.output}.unadded", right=added, operator="add")
    if name:
        operations.append(replace(last, output=f"{node.output}.unbent"))
        a, b = (*parameters, 0.0, 0.0)[:2]
        activation = FusedActivation(ACTIVATIONS[name], a, b)
        last = Elementwise(output=node.output, input=f"{node.output}.unbent", activation=activation)
    return Lowered((*operations, last), lowered.constants)


def matmul(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """FusedMatMul: alpha times a product, each side transposed or not."""
    batches = node.attributes.get("transBatchA", 0) or node.attributes.get("transBatchB", 0)
    require(not batches, "it transposes the batch")
    alpha = node.attributes.get("alpha", 1.0)
    operations: list[Operation] = []
    left, right = node.inputs
    if node.attributes.get("transA", 0):
        left = _transposed(left, f"{node.output}.left", graph, operations)
    if graph.is_constant(right) and len(graph.shape(right)) == 2:
        rows = graph.constant(right, "weight")
        rows = rows if node.attributes.get("transB", 0) else rows.T
        weight = f"{node.output}.weight"
        made = {weight: np.ascontiguousarray(rows * np.float64(alpha), np.float32)}
        return Lowered((*operations, Linear(output=node.output, input=left, weight=weight)), made)
    if node.attributes.get("transB", 0):
        right = _transposed(right, f"{node.output}.right", graph, operations)
    require(min(len(graph.shape(name)) for name in node.inputs) >= 2, "one side is a vector")
    product, number = f"{node.output}.product", f"{node.output}.alpha"
    operations.append(MatMul(output=product, left=left, right=right))
    return Lowered((*operations, _times(node.output, product, number)), {number: np.array(alpha, np.float32)})


def _transposed(given: str, output: str, graph: OnnxGraph, operations: list[Operation]) -> str:
    rank = len(graph.shape(given))
    require(rank >= 2, "one side is a vector")
    order = (*range(rank - 2), rank - 1, rank - 2)
    operations.append(Transpose(output=output, input=given, permutation=order))
    return output


def _times(output: str, left: str, right: str) -> Binary:
    return Binary(output=output, left=left, right=right, operator="multiply")


def gelu(kind: ActivationKind) -> Rule:
    """Gelu, FastGelu and BiasGelu: of the sum with a second input, where there is one."""

    def rule(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
        given, bias = node.inputs[0], node.input(1)
        activation = FusedActivation(kind)
        if bias is None:
            return Lowered((Elementwise(output=node.output, input=given, activation=activation),))
        return Lowered((Binary(output=node.output, left=given, right=bias, operator="add", activation=activation),))

    return rule


def quick_gelu(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """QuickGelu: x sigmoid(alpha x)."""
    given, number = node.inputs[0], f"{node.output}.alpha"
    scaled, gate = f"{node.output}.scaled", f"{node.output}.gate"
    operations = (
        _times(scaled, given, number),
        Elementwise(output=gate, input=scaled, activation=FusedActivation("sigmoid")),
        _times(node.output, given, gate),
    )
    return Lowered(operations, {number: np.array(node.attributes.get("alpha", 1.702), np.float32)})


def skip_layer_norm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """SkipLayerNormalization: of the sum of two tensors and a bias; the sum may be an output too."""
    require(not any(graph.readers.get(name) for name in node.outputs[1:3]), "its statistics are used")
    shape = graph.shape(node.inputs[0])
    given = [name for name in (*node.inputs[:2], node.input(4)) if name is not None]
    total = node.outputs[3] if len(node.outputs) > 3 and node.outputs[3] else f"{node.output}.sum"
    operations: list[Operation] = list(additions(given, total))
    for name in filter(None, node.inputs[2:4]):
        graph.constant(name, "scale or bias")
    operations.append(
        LayerNorm(
            output=node.output,
            input=total,
            scale=node.inputs[2],
            shift=node.input(3),
            axis=len(shape) - 1,
            epsilon=node.attributes.get("epsilon", 1e-12),
        )
    )
    return Lowered(tuple(operations))


_RULES: Mapping[str, Rule] = {
    "BiasGelu": gelu("gelu"),
    "FastGelu": gelu("gelu_tanh"),
    "FusedConv": convolution,
    "FusedGemm": gemm,
    "FusedMatMul": matmul,
    "Gelu": gelu("gelu"),
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": skip_layer_norm,
}
RULES = {f"com.microsoft:{name}": rule for name, rule in _RULES.items()}
