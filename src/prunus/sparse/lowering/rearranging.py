"""Moving elements: reshapes, transposes, slices, pads, concatenations."""

from __future__ import annotations

import numpy as np

from prunus.sparse.lowering.lowered import Lowered, integers, number, require
from prunus.sparse.onnx_graph import OnnxGraph, OnnxNode
from prunus.sparse.program import Concat, Operation, Pad, Reshape, Shape, Slice, Transpose


def reshape(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Reshape, Flatten, Squeeze, Unsqueeze: the output's shape says it all."""
    return Lowered((Reshape(output=node.output, input=node.inputs[0], shape=graph.shape(node.output)),))


def transpose(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Transpose, by default of all axes in reverse."""
    rank = len(graph.shape(node.inputs[0]))
    permutation = tuple(node.attributes.get("perm", reversed(range(rank))))
    return Lowered((Transpose(output=node.output, input=node.inputs[0], permutation=permutation),))


def concat(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Concat."""
    axis = node.attributes["axis"] % len(graph.shape(node.output))
    return Lowered((Concat(output=node.output, inputs=node.inputs, axis=axis),))


def split(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Split: a slice for every output that is used."""
    given = node.inputs[0]
    shape = graph.shape(given)
    axis = node.attributes.get("axis", 0) % len(shape)
    operations: list[Operation] = []
    start = 0
    for output in node.outputs:
        size = graph.shape(output)[axis]
        if graph.readers.get(output):
            operations.append(_part(output, given, shape, axis, start, size))
        start += size
    return Lowered(tuple(operations))


def _part(output: str, given: str, shape: Shape, axis: int, start: int, size: int) -> Slice:
    """`size` elements of one axis."""
    starts = tuple(start if place == axis else 0 for place in range(len(shape)))
    sizes = tuple(size if place == axis else length for place, length in enumerate(shape))
    return Slice(output=output, input=given, starts=starts, sizes=sizes, steps=(1,) * len(shape))


def slice_(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Slice forwards; its numbers are inputs since opset 10."""
    shape = graph.shape(node.inputs[0])
    rank = len(shape)
    first = integers(graph, node.input(1), "starts") or tuple(node.attributes.get("starts", ()))
    axes = integers(graph, node.input(3), "axes") or tuple(node.attributes.get("axes", range(len(first))))
    every = integers(graph, node.input(4), "steps") or (1,) * len(first)
    require(min(every, default=1) >= 1, "it runs backwards")
    starts, steps = [0] * rank, [1] * rank
    for axis, start, step in zip(axes, first, every, strict=True):
        length = shape[axis]
        starts[axis] = min(max(start + length if start < 0 else start, 0), length)
        steps[axis] = step
    sizes = graph.shape(node.output)
    operation = Slice(output=node.output, input=node.inputs[0], starts=tuple(starts), sizes=sizes, steps=tuple(steps))
    return Lowered((operation,))


def gather(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Gather of one place, or of places in a row: a slice."""
    shape = graph.shape(node.inputs[0])
    axis = node.attributes.get("axis", 0) % len(shape)
    index = graph.constant(node.inputs[1], "index") % shape[axis]
    flat = index.reshape(-1)
    require(flat.size >= 1 and bool((np.diff(flat) == 1).all()), "its places are not in a row")
    middle = f"{node.output}.places"
    part = _part(middle, node.inputs[0], shape, axis, int(flat[0]), flat.size)
    return Lowered((part, Reshape(output=node.output, input=middle, shape=graph.shape(node.output))))


def depth_to_space(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """DepthToSpace, in both of its orders."""
    batch, channels, height, width = graph.shape(node.inputs[0])
    side = node.attributes["blocksize"]
    rest = channels // side**2
    if node.attributes.get("mode", b"DCR") == b"CRD":
        apart, order = (batch, rest, side, side, height, width), (0, 1, 4, 2, 5, 3)
    else:
        apart, order = (batch, side, side, rest, height, width), (0, 3, 4, 1, 5, 2)
    return _by_axes(node, graph, apart, order)


def space_to_depth(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """SpaceToDepth."""
    batch, channels, height, width = graph.shape(node.inputs[0])
    side = node.attributes["blocksize"]
    apart = (batch, channels, height // side, side, width // side, side)
    columns = node.attributes.get("mode", b"DCR") == b"CRD"
    return _by_axes(node, graph, apart, (0, 1, 3, 5, 2, 4) if columns else (0, 3, 5, 1, 2, 4))


def _by_axes(node: OnnxNode, graph: OnnxGraph, apart: Shape, order: Shape) -> Lowered:
    """Axes taken apart, put into another order, and joined."""
    split, moved = f"{node.output}.apart", f"{node.output}.moved"
    return Lowered(
        (
            Reshape(output=split, input=node.inputs[0], shape=apart),
            Transpose(output=moved, input=split, permutation=order),
            Reshape(output=node.output, input=moved, shape=graph.shape(node.output)),
        )
    )


def pad(node: OnnxNode, graph: OnnxGraph) -> Lowered:
    """Pad with one value; negative sizes cut off."""
    require(node.attributes.get("mode", b"constant") == b"constant", "it does not pad with a constant")
    shape = graph.shape(node.inputs[0])
    sizes = integers(graph, node.input(1), "sizes") or tuple(node.attributes.get("pads", ()))
    axes = integers(graph, node.input(3), "axes") or tuple(range(len(shape)))
    value = number(graph, node.input(2), "value", node.attributes.get("value", 0.0))
    before, after = [0] * len(shape), [0] * len(shape)
    for place, axis in enumerate(axes):
        before[axis], after[axis] = sizes[place], sizes[place + len(axes)]
    operations: list[Operation] = []
    given = node.inputs[0]
    if min(*before, *after) < 0:
        kept = tuple(n + min(a, 0) + min(b, 0) for n, a, b in zip(shape, before, after, strict=True))
        require(min(kept) >= 1, "it cuts off everything")
        starts = tuple(max(-a, 0) for a in before)
        given = f"{node.output}.kept"
        steps = (1,) * len(shape)
        operations.append(Slice(output=given, input=node.inputs[0], starts=starts, sizes=kept, steps=steps))
    around = tuple(max(a, 0) for a in before), tuple(max(b, 0) for b in after)
    operations.append(Pad(output=node.output, input=given, before=around[0], after=around[1], value=value))
    return Lowered(tuple(operations))
