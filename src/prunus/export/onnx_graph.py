"""What is changed in a freshly exported graph, so that it carries no more than the network and fits its smaller kin."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def strip(proto: onnx.ModelProto) -> None:
    """Take out what the exporter notes about its own work, such as the source line of each node.

    It can be half of a small network's file, names places on the exporting machine, and no runtime reads it. Shapes
    between the layers go too: they differ once channels are gone.
    """
    graph = proto.graph
    del graph.value_info[:]
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def open_flattening(proto: onnx.ModelProto) -> None:
    """Let every reshape to (batch, size) infer its size, which the export wrote down as a number."""
    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        shape = makers.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.op_type != "Concat" or len(shape.input) != 2:
            continue
        batch, size = (makers.get(name) for name in shape.input)
        if batch is None or batch.op_type == "Constant":  # it may be what is inferred, and there can be only one
            continue
        if size is not None and uses[shape.input[1]] == 1 and _is_one_number(size):
            size.attribute[0].ints[:] = [-1]


def _is_one_number(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and len(node.attribute[0].ints) == 1 and node.attribute[0].ints[0] > 0
