"""A traced network as a module: executes its operations one by one, on tensors that carry the user's own names."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError
from prunus.graph import Graph, Node
from prunus.graph.node import PerSample, Ref, refs, replace_refs

Values: TypeAlias = dict[str, Any]
FOLLOWS_MODE = {  # operation -> place of the argument that says whether it trains
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout"), 2),
    **dict.fromkeys(("batch_norm", "instance_norm"), 5),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), 6),
}


class GraphNetwork(nn.Module):
    """Executes a graph.

    Batch normalisation and dropout follow `train()` and `eval()`. Parameters and buffers have the names that they had
    in the user's model, so that state dictionaries are exchangeable.

    tensors: name -> parameter or buffer (a plain tensor is a buffer).
    """

    recalibrating: float | None = None  # momentum of batch normalisation while its statistics are measured anew

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._graph = graph
        self._last_use = _last_uses(graph)
        for name, tensor in tensors.items():
            _register(self, name, tensor)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The same arguments and results as the user's model."""
        values = self._inputs(args, kwargs)
        read = self._written(values)
        for node in self._graph.nodes:
            arguments, named = replace_refs((node.args, node.kwargs), read)
            values[node.name] = self._execute(node, arguments, named)
            for name in self._last_use[node.name]:
                values.pop(name, None)
        results = [replace_refs(output, read) for output in self._graph.outputs]
        return pytree.tree_unflatten(results, self._graph.output_structure)

    def _execute(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operation."""
        place = FOLLOWS_MODE.get(node.kind)
        if place is not None and len(args) > place and args[place] is False:
            args = (*args[:place], self.training, *args[place + 1 :])
        if self.recalibrating is not None and node.kind == "batch_norm" and args[3] is not None:
            args = (*args[:5], True, self.recalibrating, *args[7:])
        return function_of(node.op)(*args, **kwargs)

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Values:
        structure = self._graph.input_structure
        order = structure.child(1).context or []
        leaves, found = pytree.tree_flatten((args, {key: kwargs[key] for key in order if key in kwargs}))
        if len(leaves) != len(self._graph.inputs) or found.type is not structure.type:
            raise InputError(
                f"The network got {len(leaves)} inputs",
                f"it was traced with {len(self._graph.inputs)}",
                "call it as it was called with the example inputs",
            )
        return dict(zip(self._graph.inputs, leaves, strict=True))

    def _written(self, values: Values) -> Callable[[Any], Any]:
        """How arguments are read: references by their values, sizes per sample by the batch at hand."""
        batch = values[self._graph.batch_input].shape[0] if self._graph.batch_input else 1
        return lambda item: item.times * batch if isinstance(item, PerSample) else self._value(values, item)

    def _value(self, values: Values, ref: Ref) -> Any:
        if ref.name in values:
            return values[ref.name]
        return self._tensor(self._graph.tensors.name_of(ref.name))

    def _tensor(self, name: str) -> Tensor:
        """The parameter, buffer or constant of that name."""
        *path, last = name.split(".")
        module: nn.Module = self
        for step in path:
            module = module._modules[step]  # type: ignore[assignment]
        tensor = module._parameters.get(last)
        return module._buffers[last] if tensor is None else tensor  # type: ignore[return-value]


def _register(root: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor at its dotted name, making empty modules on the way."""
    *path, last = name.split(".")
    module = root
    for step in path:
        if step not in module._modules:
            module._modules[step] = nn.Module()
        module = module._modules[step]  # type: ignore[assignment]
    if isinstance(tensor, nn.Parameter):
        module._parameters[last] = tensor
    else:
        module._buffers[last] = tensor


def _last_uses(graph: Graph) -> dict[str, list[str]]:
    """Node -> values that nobody reads after it."""
    last: dict[str, str] = {}
    for node in graph.nodes:
        for ref in node.reads:
            last[ref.name] = node.name
    kept = {ref.name for ref in refs(graph.outputs)}
    ends: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for name, node_name in last.items():
        if name not in kept:
            ends[node_name].append(name)
    return ends


@cache
def function_of(op: str) -> Callable[..., Any]:
    """The function behind an operation's name. Raises `InputError` for anything but ATen."""
    if op == "getitem":
        return operator.getitem
    namespace, _, rest = op.partition(".")
    packet, _, overload = rest.partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None) if namespace == "aten" else None
    if not isinstance(found, torch._ops.OpOverload):
        raise InputError(f"The operation {op!r} is unknown", "only ATen operations are executed", "save the model anew")
    return found
