"""Constants that ONNX Runtime computes each time anew: weights that a file holds as integers, or normalises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunus.memory import loading
from prunus.onnx_session import open_session
from prunus.sparse.onnx_graph import outer_reads

if TYPE_CHECKING:
    import onnx

RANDOM = {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomUniform"}
RANDOM |= {f"{name}Like" for name in RANDOM}
QUANTISING = {"QuantizeLinear", "DynamicQuantizeLinear"}


def compute_constants(proto: onnx.ModelProto) -> None:
    """Replace the nodes of a folded model that read nothing but constants by what they give; `proto` is changed.

    Where activations are integers, too, ONNX Runtime has kernels for both, and the weights stay as they are.
    """
    places = _constant_nodes(proto.graph)
    if not places:
        return
    nodes = [proto.graph.node[place] for place in places]
    rest = [node for place, node in enumerate(proto.graph.node) if place not in places]
    read = {name for node in rest for name in outer_reads(node)} | {value.name for value in proto.graph.output}
    wanted = sorted({name for node in nodes for name in node.output} & read)
    try:
        arrays = _run(proto, nodes, wanted)
    except Exception:  # of the library, which has no common class: then it is computed where it stands
        return
    if not all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays):
        return
    from onnx import numpy_helper

    proto.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in zip(wanted, arrays, strict=True)
    )
    del proto.graph.node[:]
    proto.graph.node.extend(rest)


def _constant_nodes(graph: onnx.GraphProto) -> dict[int, None]:
    """Places in the graph, in order."""
    left = RANDOM | ({"DequantizeLinear"} if any(node.op_type in QUANTISING for node in graph.node) else set())
    known = {tensor.name for tensor in graph.initializer} | {""}
    places: dict[int, None] = {}
    for place, node in enumerate(graph.node):
        plain = node.op_type not in left and not any(a.HasField("g") or a.graphs for a in node.attribute)
        if plain and known.issuperset(node.input):
            places[place] = None
            known.update(node.output)
    return places


def _run(proto: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], wanted: Sequence[str]) -> list[np.ndarray]:
    import onnx

    read = {name for node in nodes for name in node.input}
    inner = onnx.helper.make_graph(
        nodes,
        "constants",
        [],
        [onnx.helper.make_empty_tensor_value_info(name) for name in wanted],
        [tensor for tensor in proto.graph.initializer if tensor.name in read],
    )
    model = onnx.helper.make_model(inner, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    session = open_session(model.SerializeToString())
    with loading():
        arrays: list[np.ndarray] = session.run(list(wanted), {})
    return arrays
