"""Functions of every element, and of two tensors element by element."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, Rule, number, require
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import ActivationKind, Binary, Elementwise, FusedActivation, Reshape


def function(kind: ActivationKind) -> Rule:
    """A node that applies a function without parameters."""

    def rule(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
        return _apply(node, FusedActivation(kind))

    return rule


def _apply(node: OnnxNode, activation: FusedActivation) -> Lowered:
    return Lowered((Elementwise(output=node.output, input=node.inputs[0], activation=activation),))


def clip(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Clip; bounds are inputs since opset 11."""
    low = number(graph, node.input(1), "lower bound", node.attributes.get("min", -math.inf))
    high = number(graph, node.input(2), "upper bound", node.attributes.get("max", math.inf))
    return _apply(node, FusedActivation("clip", low, high))


def hard_sigmoid(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """HardSigmoid."""
    a, b = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    return _apply(node, FusedActivation("hard_sigmoid", a, b))


def leaky_relu(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """LeakyRelu."""
    return _apply(node, FusedActivation("leaky_relu", node.attributes.get("alpha", 0.01)))


def gelu(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """Gelu, exact or by tanh."""
    approximate = node.attributes.get("approximate", b"none").decode()
    return _apply(node, FusedActivation("gelu_tanh" if approximate == "tanh" else "gelu"))


def swish(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """Swish, where it is SiLU."""
    require(node.attributes.get("alpha", 1.0) == 1, "its alpha is not 1")
    return _apply(node, FusedActivation("silu"))


def binary(operator: Literal["add", "subtract", "multiply", "divide"]) -> Rule:
    """Add, Sub, Mul, Div. A division by a constant stays one: its reciprocal would round differently."""

    def rule(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
        return Lowered((Binary(output=node.output, left=node.inputs[0], right=node.inputs[1], operator=operator),))

    return rule


def power(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Pow by 2, by 3 or by one half."""
    exponent = number(graph, node.inputs[1], "exponent", 1.0)
    require(exponent in (2, 3, 0.5), f"its exponent is {exponent}")
    given = node.inputs[0]
    if exponent == 2:
        return Lowered((Binary(output=node.output, left=given, right=given, operator="multiply"),))
    if exponent == 3:
        square = f"{node.output}.square"
        first = Binary(output=square, left=given, right=given, operator="multiply")
        return Lowered((first, Binary(output=node.output, left=square, right=given, operator="multiply")))
    return _apply(node, FusedActivation("sqrt"))


def negative(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """Neg: a product with -1."""
    minus = f"{node.output}.minus"
    product = Binary(output=node.output, left=node.inputs[0], right=minus, operator="multiply")
    return Lowered((product,), {minus: np.array(-1, np.float32)})


def prelu(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """PRelu: what is above 0, and a slope times what is below."""
    above, below, bent = (f"{node.output}.{word}" for word in ("above", "below", "bent"))
    given, slope = node.inputs
    operations = (
        Elementwise(output=above, input=given, activation=FusedActivation("relu")),
        Elementwise(output=below, input=given, activation=FusedActivation("clip", -math.inf, 0.0)),
        Binary(output=bent, left=below, right=slope, operator="multiply"),
        Binary(output=node.output, left=above, right=bent, operator="add"),
    )
    return Lowered(operations)


def sum_(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """Sum: one addition after the other."""
    require(len(node.inputs) >= 2, "it is of one tensor")
    return Lowered(tuple(additions(node.inputs, node.output)))


def additions(given: Sequence[str], output: str) -> Iterator[Binary]:
    """The sum of two and more tensors, one addition after the other."""
    left = given[0]
    for place, right in enumerate(given[1:], 2):
        total = output if place == len(given) else f"{output}.{place}"
        yield Binary(output=total, left=left, right=right, operator="add")
        left = total


def expand(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Expand: a product with as many ones as an element is repeated."""
    shape = graph.shape(node.output)
    given = (1,) * (len(shape) - len(graph.shape(node.inputs[0]))) + graph.shape(node.inputs[0])
    ones = f"{node.output}.ones"
    repeated = tuple(size if size != before else 1 for size, before in zip(shape, given, strict=True))
    product = Binary(output=node.output, left=node.inputs[0], right=ones, operator="multiply")
    return Lowered((product,), {ones: np.ones(repeated, np.float32)})


def reciprocal(node: OnnxNode, graph: OnnxGraph) -> Lowered:  # noqa: ARG001
    """Reciprocal: 1 divided by it."""
    one = f"{node.output}.one"
    return Lowered(
        (Binary(output=node.output, left=one, right=node.inputs[0], operator="divide"),), {one: np.array(1, np.float32)}
    )


def where(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Where(IsNaN(x), 0, x), which attention is exported with."""
    test, given = graph.writers.get(node.inputs[0]), node.inputs[2]
    fits = test is not None and test.kind == "IsNaN" and test.inputs == (given,)
    require(fits and number(graph, node.inputs[1], "value", 0.0) == 0, "it is not about what is not a number")
    operation = Elementwise(output=node.output, input=given, activation=FusedActivation("nan_to_zero"))
    return Lowered((operation,))


def same(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Identity, Dropout out of training, and a Cast from fp32 to fp32."""
    require(not number(graph, node.input(2), "training mode", 0), "it is in training mode")
    require(not any(graph.readers.get(name) for name in node.outputs[1:]), "its mask is used")
    return Lowered((Reshape(output=node.output, input=node.inputs[0], shape=graph.shape(node.output)),))
