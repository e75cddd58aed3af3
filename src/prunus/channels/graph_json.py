"""A graph as JSON and back: data only, so that reading one never runs code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._pytree import TreeSpec

from prunus.channels.interface_json import interface_from_json, interface_to_json, value_from_json, value_to_json
from prunus.errors import InputError
from prunus.graph import Graph, Node
from prunus.graph.node import Tensors, TensorType, refs
from prunus.ops import OPS, OUTSIDE_ATEN

WITHOUT_RULE = (
    "getitem bernoulli index_fill zero masked_select nonzero searchsorted bucketize argsort one_hot "
    "meshgrid tril triu diag diagonal trace kron cdist pdist cross vander linalg_inv linalg_norm "
    "affine_grid_generator slice_scatter select_scatter diff polygamma stft istft quantile size as_strided "
    "masked_scatter randperm exponential normal uniform multinomial randint randint_like bincount histc renorm "
    "take linalg_solve linalg_cholesky linalg_qr linalg_svd linalg_eigh linalg_det linalg_slogdet linalg_pinv "
    "inverse isin argwhere cumulative_trapezoid trapezoid"
)
EXECUTABLE = frozenset(OPS) | frozenset(WITHOUT_RULE.split())


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """The graph as nested dictionaries, lists, strings and numbers; constants are left to who stores the tensors."""
    return {
        "nodes": [_node_to_json(node) for node in graph.nodes],
        "inputs": list(graph.inputs),
        "parameters": graph.tensors.parameters,
        "buffers": graph.tensors.buffers,
        "constants": graph.tensors.constants,
        "outputs": value_to_json(graph.outputs),
        "interface": interface_to_json(graph.interface),
        "output_structure": _structure_to_json(graph.output_structure),
        "device": str(graph.device),
        "types": {name: value_to_json(kind.dtype) for name, kind in graph.types.items()},
    }


def graph_from_json(data: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Graph:
    """The graph again. Raises `InputError` for operations that are not allowed and values that are not defined."""
    try:
        inputs = tuple(str(name) for name in data["inputs"])
        graph = Graph(
            nodes=tuple(_node_from_json(node) for node in data["nodes"]),
            inputs=inputs,
            tensors=Tensors(
                _names(data["parameters"]),
                _names(data["buffers"]),
                _names(data["constants"]),
                {name: tensors[name] for name in _names(data["constants"]).values()},
            ),
            types={str(name): TensorType((), value_from_json(dtype)) for name, dtype in data["types"].items()},
            outputs=value_from_json(data["outputs"]),
            interface=interface_from_json(data["interface"], inputs),
            output_structure=_structure_from_json(data["output_structure"]),
            device=torch.device(data["device"]),
        )
        _check(graph)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError) as error:
        raise InputError("The graph in the file can't be read", repr(error), "save the model anew") from None
    return graph


def _names(table: Mapping[str, Any]) -> dict[str, str]:
    """Names of values to those of the tensors that they are. Raises `TypeError` for anything else."""
    if wrong := [name for name in table.values() if not isinstance(name, str)]:
        raise TypeError(f"{wrong[0]!r} is no tensor's name")
    return dict(table)


def _check(graph: Graph) -> None:
    """Every operation is allowed and every value defined before it is used."""
    known = {*graph.interface.types, *graph.tensors.parameters, *graph.tensors.buffers, *graph.tensors.constants}
    for node in graph.nodes:
        ours = node.op == "getitem" or node.op.startswith("aten.") or node.op.rpartition(".")[0] in OUTSIDE_ATEN
        if node.kind not in EXECUTABLE or not ours:
            raise InputError(
                f"The file asks for the operation {node.op!r}", "it is not allowed", "don't trust this file"
            )
        for ref in refs((node.args, node.kwargs)):
            if ref.name not in known:
                raise InputError(f"The graph reads {ref.name!r} before it is made", "", "the file is damaged")
        known.add(node.name)
    if graph.output_structure.num_leaves != len(graph.outputs):
        raise InputError("The graph's outputs are not those that it describes", "", "the file is damaged")
    if missing := {ref.name for ref in refs(graph.outputs)} - known:
        raise InputError(f"The graph returns {min(missing)!r}, which nothing makes", "", "the file is damaged")


def _node_to_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "args": value_to_json(node.args),
        "kwargs": {key: value_to_json(value) for key, value in node.kwargs.items()},
        "module": node.module,
    }


def _node_from_json(data: Mapping[str, Any]) -> Node:
    kwargs = {str(key): value_from_json(value) for key, value in data["kwargs"].items()}
    return Node(
        str(data["name"]), str(data["op"]), value_from_json(data["args"]), kwargs, str(data["module"]), "", None
    )


def _structure_to_json(structure: TreeSpec) -> Any:
    """Nested tuples, lists and dictionaries; other containers of named values become dictionaries."""
    if structure.is_leaf():
        return "*"
    children = [_structure_to_json(child) for child in structure.children()]
    keys = structure.context
    if isinstance(keys, (list, tuple)) and len(keys) == len(children) and all(isinstance(key, str) for key in keys):
        return {"dict": dict(zip(keys, children, strict=True))}
    return {"list" if structure.type is list else "tuple": children}


def _structure_from_json(data: Any) -> TreeSpec:
    return pytree.tree_structure(_example(data))


def _example(data: Any) -> Any:
    if data == "*":
        return 0
    ((tag, inner),) = data.items()
    if tag == "dict":
        return {key: _example(value) for key, value in inner.items()}
    items = [_example(item) for item in inner]
    return items if tag == "list" else tuple(items)
