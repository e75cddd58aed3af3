"""Convolutions and pools over images; those over one-dimensional signals are images of one row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, axes_of, require
from prunus.sparse.lowering.quantised import constant, stored_weight
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import Convolution, Mean, Operation, Pool, Reshape, Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class _Window:
    """Where a kernel lies, for both axes of an image; padding: top, left, bottom, right."""

    strides: Pair
    dilation: Pair
    padding: tuple[int, int, int, int]


def convolution(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Conv with constant weight and bias."""
    image, stored = graph.shape(node.inputs[0]), stored_weight(graph, node.inputs[1], 0)
    weight = stored.integers if stored else constant(graph, node.inputs[1], "weight")
    bias, made = bias_of(node, graph)
    rank = len(image) - 2
    window = _window(node, graph, weight.shape[2:])
    name, scale = node.inputs[1], None
    if stored:
        name, scale = f"{node.output}.integers", f"{node.output}.scale"
        made |= {name: weight, scale: stored.scale}
    elif not graph.is_constant(name):
        name = f"{node.output}.weight"
        made[name] = weight
    if rank == 1:
        made.pop(name, None)
        name = f"{name}.image"
        made[name] = np.ascontiguousarray(weight[:, :, None])
    operation = Convolution(
        output=node.output,
        input=node.inputs[0],
        weight=name,
        bias=bias,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
        groups=node.attributes.get("group", 1),
        weight_scale=scale,
    )
    return Lowered(_as_image(operation, node, graph), made)


def bias_of(node: OnnxNode, graph: OnnxGraph) -> tuple[str | None, dict[str, Any]]:
    """The name of a layer's bias, which is a constant, and its value where it is none of the file's own."""
    bias = node.input(2)
    if bias is None:
        return None, {}
    value = constant(graph, bias, "bias")
    if graph.is_constant(bias):
        return bias, {}
    return f"{node.output}.bias", {f"{node.output}.bias": value}


def max_pool(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """MaxPool without indices."""
    require(not any(graph.readers.get(name) for name in node.outputs[1:]), "its indices are used")
    return Lowered(_as_image(_pool(node, graph, "max"), node, graph))


def average_pool(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """AveragePool."""
    pool = _pool(node, graph, "average")
    counted = bool(node.attributes.get("count_include_pad", 0)) and any(pool.padding)
    require(not (counted and node.attributes.get("ceil_mode", 0)), "it counts the padding and rounds its size up")
    require(pool.dilation == (1, 1), "its kernel is dilated")
    return Lowered(_as_image(replace(pool, count_padding=counted), node, graph))


def global_average_pool(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """GlobalAveragePool: a mean over all axes of the image."""
    rank = len(graph.shape(node.inputs[0]))
    return Lowered((Mean(output=node.output, input=node.inputs[0], axes=tuple(range(2, rank)), keep=True),))


def global_max_pool(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """GlobalMaxPool: one window as large as the image."""
    image = graph.shape(node.inputs[0])
    require(len(image) == 4, f"its input has {len(image)} dimensions")
    return Lowered((Pool(output=node.output, input=node.inputs[0], reduction="max", kernel=(image[2], image[3])),))


def reduce_max(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """ReduceMax over whole images, as torch's adaptive pools are exported."""
    image = graph.shape(node.inputs[0])
    axes = node.attributes.get("axes")
    if axes is None and node.input(1) is not None:
        axes = graph.constant(node.inputs[1], "axes").tolist()
    require(axes is not None and len(image) == 4 and axes_of(tuple(axes), 4) == (2, 3), "it is not over an image")
    middle = f"{node.output}.image"
    pool = Pool(output=middle, input=node.inputs[0], reduction="max", kernel=(image[2], image[3]))
    return Lowered((pool, Reshape(output=node.output, input=middle, shape=graph.shape(node.output))))


def _pool(node: OnnxNode, graph: OnnxGraph, reduction: Literal["max", "average"]) -> Pool:
    kernel = tuple(node.attributes["kernel_shape"])
    window = _window(node, graph, kernel)
    pair = _pair(*[1] * (2 - len(kernel)), *kernel)
    return Pool(
        output=node.output,
        input=node.inputs[0],
        reduction=reduction,
        kernel=pair,
        strides=window.strides,
        padding=window.padding,
        dilation=window.dilation,
    )


def _window(node: OnnxNode, graph: OnnxGraph, kernel: Shape) -> _Window:
    """The window in both axes; what the output's size says about a size rounded up goes into the padding."""
    given = graph.shape(node.inputs[0])
    require(len(given) in (3, 4), f"its input has {len(given)} dimensions")
    size, places, rank = given[2:], graph.shape(node.output)[2:], len(given) - 2
    strides = tuple(node.attributes.get("strides", [1] * rank))
    dilation = tuple(node.attributes.get("dilations", [1] * rank))
    reach = [step * (length - 1) + 1 for step, length in zip(dilation, kernel, strict=True)]
    needed = [(count - 1) * stride + length for count, stride, length in zip(places, strides, reach, strict=True)]
    before = _before(node, size, needed)
    after = [max(need - length - first, 0) for need, length, first in zip(needed, size, before, strict=True)]
    extra = [1] * (2 - rank)
    none = [0] * (2 - rank)
    first, last = _pair(*none, *before), _pair(*none, *after)
    return _Window(_pair(*extra, *strides), _pair(*extra, *dilation), (*first, *last))


def _pair(vertical: int, horizontal: int) -> Pair:
    return vertical, horizontal


def _before(node: OnnxNode, size: Shape, needed: list[int]) -> list[int]:
    """Padding before the image. What comes after it follows from the number of places."""
    automatic = node.attributes.get("auto_pad", b"NOTSET").decode()
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(need - length, 0) for need, length in zip(needed, size, strict=True)]
        return [(all_ + 1) // 2 if automatic == "SAME_LOWER" else all_ // 2 for all_ in total]
    if automatic == "VALID":
        return [0] * len(size)
    return list(node.attributes.get("pads", [0] * len(size)))[: len(size)]


def _as_image(operation: Convolution | Pool, node: OnnxNode, graph: OnnxGraph) -> tuple[Operation, ...]:
    """The operation itself on images; on signals (batch, channels, length) between two reshapes."""
    shape = graph.shape(node.inputs[0])
    if len(shape) == 4:
        return (operation,)
    given, made = f"{node.output}.given", f"{node.output}.image"
    return (
        Reshape(output=given, input=operation.input, shape=(shape[0], shape[1], 1, shape[2])),
        replace(operation, input=given, output=made),
        Reshape(output=node.output, input=made, shape=graph.shape(node.output)),
    )
