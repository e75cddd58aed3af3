"""Tensors that go to bytes and back, and weights that a file holds as whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prunus.sparse.lowering.lowered import Lowered, require
from prunus.sparse.onnx_graph import NotCoveredError, OnnxGraph, OnnxNode
from prunus.sparse.program import Array, FusedRounding, Reshape, Rounding
from prunus.sparse.shapes import LEAST_SCALE

SIGNED_TO_BYTES = 128
"""What is added to integers of -128 to 127, and to their zero point, so that they are bytes."""


def dequantize(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """DequantizeLinear: of a QuantizeLinear with the same scale, or of a constant."""
    if graph.is_constant(node.inputs[0]):
        value = f"{node.output}.value"
        made = {value: _dequantised(node, graph)}
        return Lowered((Reshape(output=node.output, input=value, shape=graph.shape(node.output)),), made)
    before = graph.writers.get(node.inputs[0])
    if before is None or before.kind != "QuantizeLinear":
        raise NotCoveredError("it does not follow a QuantizeLinear")
    require(_parameters(before, graph) == _parameters(node, graph), "it has another scale than what rounded its input")
    scale, zero, dtype = _parameters(node, graph)
    if dtype == "int8":
        zero += SIGNED_TO_BYTES
    operation = Rounding(output=node.output, input=before.inputs[0], rounding=FusedRounding(scale, zero))
    return Lowered((operation,))


def _parameters(node: OnnxNode, graph: OnnxGraph) -> tuple[float, int, str]:
    """Scale, zero point and type of the integers, where one scale holds for the whole tensor."""
    scale = graph.constant(node.inputs[1], "scale")
    require(scale.size == 1 and scale.dtype == np.float32, "it has several scales, or none of fp32")
    number = float(scale.reshape(()))
    require(math.isfinite(number) and LEAST_SCALE <= number <= 1 / LEAST_SCALE, f"its scale is {number}")
    name = node.input(2)
    if name is None:
        kind = graph.type(node.output if node.kind == "QuantizeLinear" else node.inputs[0]).dtype
        zero = np.zeros((), kind or "uint8")
    else:
        zero = graph.constant(name, "zero point")
    require(zero.dtype.name in ("uint8", "int8"), f"it rounds to {zero.dtype}")
    return number, int(zero.reshape(-1)[0]), zero.dtype.name


@dataclass(frozen=True)
class StoredWeight:
    """Whole numbers of 8 bits and the scale of each output."""

    integers: npt.NDArray[np.int8]
    scale: Array


def stored_weight(graph: OnnxGraph, name: str, axis: int) -> StoredWeight | None:
    """The weight as a file holds it as whole numbers, outputs along an axis; None where it is another constant.

    Raises `NotCoveredError` where it is no constant.
    """
    node = graph.writers.get(name)
    if node is None or node.kind != "DequantizeLinear":
        return None
    integers = _whole(node, graph)
    scale = graph.constant(node.inputs[1], "scale").astype(np.float32)
    places = node.attributes.get("axis", 1) % max(integers.ndim, 1)
    if scale.size > 1 and (places != axis or node.attributes.get("block_size", 0)):
        return None
    if integers.min(initial=0) < -128 or integers.max(initial=0) > 127 or not np.isfinite(scale).all():
        return None
    scales = np.ascontiguousarray(np.broadcast_to(scale.reshape(-1), (integers.shape[axis],)))
    return StoredWeight(integers.astype(np.int8), scales)


def constant(graph: OnnxGraph, name: str | None, what: str) -> npt.NDArray[np.generic]:
    """The value of a constant that may be held as whole numbers. Raises `NotCoveredError` where it is none."""
    node = graph.writers.get(name or "")
    if node is not None and node.kind == "DequantizeLinear":
        return _dequantised(node, graph)
    return graph.constant(name, what)


def _whole(node: OnnxNode, graph: OnnxGraph) -> npt.NDArray[np.int64]:
    """The integers of a DequantizeLinear of a constant, less their zero points."""
    integers = graph.constant(node.inputs[0], "input").astype(np.int64)
    name = node.input(2)
    return integers if name is None else integers - _along(node, integers.ndim, graph.constant(name, "zero point"))


def _dequantised(node: OnnxNode, graph: OnnxGraph) -> Array:
    require(not node.attributes.get("block_size", 0), "its scale is one of blocks")
    integers = _whole(node, graph)
    scale = _along(node, integers.ndim, graph.constant(node.inputs[1], "scale"))
    return (integers.astype(np.float32) * scale.astype(np.float32)).astype(np.float32)


def _along(node: OnnxNode, rank: int, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One number, or one for every place of the node's axis."""
    if value.size == 1:
        return value.reshape(())
    require(value.ndim == 1, "its scale is one of blocks")
    axis = node.attributes.get("axis", 1) % rank
    return value.reshape([-1 if place == axis else 1 for place in range(rank)])
