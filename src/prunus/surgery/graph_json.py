"""A graph as JSON and back: data only, so that reading one never runs code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._pytree import TreeSpec

from prunus.errors import InputError
from prunus.graph import Graph, Node
from prunus.graph.node import PerSample, Ref, Tensors, refs
from prunus.graph.rules import RULES

WITHOUT_RULE = (
    "getitem bernoulli index_fill zero masked_select nonzero searchsorted bucketize argsort one_hot "
    "meshgrid tril triu diag diagonal trace kron cdist pdist cross vander linalg_inv linalg_norm "
    "affine_grid_generator slice_scatter select_scatter diff polygamma stft istft quantile size as_strided "
    "masked_scatter randperm exponential normal uniform multinomial randint randint_like bincount histc renorm "
    "take linalg_solve linalg_cholesky linalg_qr linalg_svd linalg_eigh linalg_det linalg_slogdet linalg_pinv "
    "inverse isin argwhere cumulative_trapezoid trapezoid"
)
EXECUTABLE = frozenset(RULES) | frozenset(WITHOUT_RULE.split())
_TORCH_NAMES: dict[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """The graph as nested dictionaries, lists, strings and numbers; constants are left to who stores the tensors."""
    return {
        "nodes": [_node_to_json(node) for node in graph.nodes],
        "inputs": list(graph.inputs),
        "parameters": graph.tensors.parameters,
        "buffers": graph.tensors.buffers,
        "constants": graph.tensors.constants,
        "outputs": _to_json(graph.outputs),
        "input_structure": _structure_to_json(graph.input_structure),
        "output_structure": _structure_to_json(graph.output_structure),
        "batch_input": graph.batch_input,
    }


def graph_from_json(data: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Graph:
    """The graph again. Raises `InputError` for operations that are not allowed and values that are not defined."""
    try:
        graph = Graph(
            nodes=tuple(_node_from_json(node) for node in data["nodes"]),
            inputs=tuple(str(name) for name in data["inputs"]),
            tensors=Tensors(
                dict(data["parameters"]),
                dict(data["buffers"]),
                dict(data["constants"]),
                {name: tensors[name] for name in data["constants"].values()},
            ),
            types={},
            outputs=_from_json(data["outputs"]),
            input_structure=_structure_from_json(data["input_structure"]),
            output_structure=_structure_from_json(data["output_structure"]),
            batch_input=data["batch_input"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("The graph in the file can't be read", repr(error), "save the model anew") from None
    _check(graph)
    return graph


def _check(graph: Graph) -> None:
    """Every operation is allowed and every value defined before it is used."""
    known = {*graph.inputs, *graph.tensors.parameters, *graph.tensors.buffers, *graph.tensors.constants}
    for node in graph.nodes:
        if node.kind not in EXECUTABLE or not (node.op == "getitem" or node.op.startswith("aten.")):
            raise InputError(
                f"The file asks for the operation {node.op!r}", "it is not allowed", "don't trust this file"
            )
        for ref in refs((node.args, node.kwargs)):
            if ref.name not in known:
                raise InputError(f"The graph reads {ref.name!r} before it is made", "", "the file is damaged")
        known.add(node.name)
    leaves = graph.input_structure.num_leaves, graph.output_structure.num_leaves
    if leaves != (len(graph.inputs), len(graph.outputs)) or graph.batch_input not in (None, *graph.inputs):
        raise InputError("The graph's inputs or outputs are not those that it describes", "", "the file is damaged")
    if missing := {ref.name for ref in refs(graph.outputs)} - known:
        raise InputError(f"The graph returns {min(missing)!r}, which nothing makes", "", "the file is damaged")


def _node_to_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "args": _to_json(node.args),
        "kwargs": {key: _to_json(value) for key, value in node.kwargs.items()},
        "module": node.module,
    }


def _node_from_json(data: Mapping[str, Any]) -> Node:
    kwargs = {str(key): _from_json(value) for key, value in data["kwargs"].items()}
    return Node(str(data["name"]), str(data["op"]), _from_json(data["args"]), kwargs, str(data["module"]), "", None)


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    for name, kind in _TORCH_NAMES.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    return _TO_JSON[type(value)](value)


_TO_JSON: dict[type, Callable[[Any], Any]] = {
    Ref: lambda value: {"ref": value.name},
    PerSample: lambda value: {"per_sample": value.times},
    torch.device: lambda value: {"device": str(value)},
    list: lambda value: [_to_json(item) for item in value],
    tuple: lambda value: {"tuple": [_to_json(item) for item in value]},
}


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    return _FROM_JSON[tag](inner)


def _torch_name(kind: type) -> Callable[[Any], Any]:
    def read(name: str) -> Any:
        found = getattr(torch, name, None)
        if not isinstance(found, kind):
            raise ValueError(f"there is no {kind.__name__} {name!r}")
        return found

    return read


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "ref": lambda name: Ref(str(name)),
    "per_sample": lambda times: PerSample(int(times)),
    "device": torch.device,
    "float": float,
    "tuple": lambda items: tuple(_from_json(item) for item in items),
    **{name: _torch_name(kind) for name, kind in _TORCH_NAMES.items()},
}


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
