"""Normalisations, softmax and means."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, Rule, axes_of, integers, require
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import (
    Affine,
    Binary,
    Elementwise,
    FusedActivation,
    LayerNorm,
    Mean,
    Operation,
    Reshape,
    Softmax,
)


def batch_norm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """BatchNormalization in evaluation mode, as one scale and shift per channel."""
    require(not node.attributes.get("training_mode", 0), "it is in training mode")
    require(not any(graph.readers.get(name) for name in node.outputs[1:]), "its statistics are used")
    words = ("scale", "bias", "mean", "variance")
    values = [graph.constant(name, word).astype(np.float64) for name, word in zip(node.inputs[1:], words, strict=True)]
    weight, bias, mean, variance = values
    with np.errstate(all="ignore"):  # a variance that is not a number gives outputs that are none
        scale = weight / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
        shift = bias - mean * scale
    names = f"{node.output}.scale", f"{node.output}.shift"
    operation = Affine(output=node.output, input=node.inputs[0], scale=names[0], shift=names[1])
    return Lowered((operation,), {names[0]: scale.astype(np.float32), names[1]: shift.astype(np.float32)})


def layer_norm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """LayerNormalization with constant scale and bias."""
    require(not any(graph.readers.get(name) for name in node.outputs[1:]), "its statistics are used")
    shape = graph.shape(node.inputs[0])
    axis = node.attributes.get("axis", -1) % len(shape)
    made = {}
    names: list[str | None] = []
    for place, word in ((1, "scale"), (2, "bias")):
        name = node.input(place)
        if name is not None:
            value = graph.constant(name, word)
            if value.shape != shape[axis:]:
                name = f"{node.output}.{word}"
                made[name] = np.ascontiguousarray(np.broadcast_to(value, shape[axis:]))
        names.append(name)
    epsilon = node.attributes.get("epsilon", 1e-5)
    given = node.inputs[0]
    operation = LayerNorm(output=node.output, input=given, scale=names[0], shift=names[1], axis=axis, epsilon=epsilon)
    return Lowered((operation,), made)


def softmax(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Softmax; before opset 13 it was over all axes from one on."""
    shape = graph.shape(node.inputs[0])
    rank = len(shape)
    axis = node.attributes.get("axis", -1 if graph.opset >= 13 else 1) % rank
    if graph.opset >= 13 or axis == rank - 1:
        return Lowered((Softmax(output=node.output, input=node.inputs[0], axis=axis),))
    rows, result = f"{node.output}.rows", f"{node.output}.result"
    return Lowered(
        (
            Reshape(output=rows, input=node.inputs[0], shape=(math.prod(shape[:axis]), math.prod(shape[axis:]))),
            Softmax(output=result, input=rows, axis=1),
            Reshape(output=node.output, input=result, shape=shape),
        )
    )


def reduce_mean(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """ReduceMean; its axes are an input since opset 18."""
    axes = _axes(node, graph)
    if not axes:
        return Lowered((Reshape(output=node.output, input=node.inputs[0], shape=graph.shape(node.output)),))
    return Lowered((_mean(node, node.output, node.inputs[0], axes),))


def reduce_sum(power: Literal[1, 2], root: bool = False) -> Rule:
    """ReduceSum, ReduceSumSquare, ReduceL2: means times the number of elements."""

    def rule(node: OnnxNode, graph: OnnxGraph) -> Lowered:
        axes, shape = _axes(node, graph), graph.shape(node.inputs[0])
        require(bool(axes), "it has no axes")
        given, mean, count, total = node.inputs[0], *(f"{node.output}.{word}" for word in ("mean", "count", "sum"))
        operations: list[Operation] = []
        if power == 2:
            squares = f"{node.output}.squares"
            operations.append(Binary(output=squares, left=given, right=given, operator="multiply"))
            given = squares
        operations.append(_mean(node, mean, given, axes))
        total = total if root else node.output
        operations.append(Binary(output=total, left=mean, right=count, operator="multiply"))
        if root:
            operations.append(Elementwise(output=node.output, input=total, activation=FusedActivation("sqrt")))
        number = np.array(math.prod(shape[axis] for axis in axes), np.float32)
        return Lowered(tuple(operations), {count: number})

    return rule


def _axes(node: OnnxNode, graph: OnnxGraph) -> tuple[int, ...]:
    """Axes of a reduction, counted from 0; none where it changes nothing."""
    rank = len(graph.shape(node.inputs[0]))
    axes = tuple(node.attributes.get("axes") or integers(graph, node.input(1), "axes") or ())
    if not axes and not node.attributes.get("noop_with_empty_axes", 0):
        axes = tuple(range(rank))
    return axes_of(axes, rank)


def _mean(node: OnnxNode, output: str, given: str, axes: tuple[int, ...]) -> Mean:
    return Mean(output=output, input=given, axes=axes, keep=bool(node.attributes.get("keepdims", 1)))


def instance_norm(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """InstanceNormalization: a layer normalisation of every channel, then its scale and shift."""
    shape = graph.shape(node.inputs[0])
    require(len(shape) >= 3, f"its input is {shape}")
    normal = f"{node.output}.normal"
    epsilon = node.attributes.get("epsilon", 1e-5)
    operations = (
        LayerNorm(output=normal, input=node.inputs[0], axis=2, epsilon=epsilon),
        Affine(output=node.output, input=normal, scale=node.inputs[1], shift=node.inputs[2]),
    )
    for name in node.inputs[1:3]:
        graph.constant(name, "scale or bias")
    return Lowered(operations)
