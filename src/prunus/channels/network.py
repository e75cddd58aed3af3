"""A traced network as a module: executes its operations one by one, on tensors that carry the user's own names."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.channels.retracing import Retracer
from prunus.errors import InputError
from prunus.graph import Graph, Node
from prunus.graph.interface import CallError, Interface, LostError
from prunus.graph.node import PerSample, Ref, replace_refs
from prunus.ops import OUTSIDE_ATEN

Values: TypeAlias = dict[str, Any]
FOLLOWS_MODE = {  # operation -> place of the argument that says whether it trains
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout"), 2),
    **dict.fromkeys(("batch_norm", "instance_norm"), 5),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), 6),
}


class _Forward:
    """The method `forward` of a network, with the signature of the user's own."""

    def __get__(self, network: GraphNetwork | None, _: type) -> Any:
        if network is None:
            return self

        def forward(*args: Any, **kwargs: Any) -> Any:
            return network.run(args, kwargs)

        forward.__signature__ = network._graph.interface.signature  # type: ignore[attr-defined]
        return forward


class ParameterGroup(nn.Module):
    """Holds what is left of a module of the user's: its tensors, under the names that they had."""

    def forward(self, *_: Any, **__: Any) -> Any:
        """Raises `InputError`."""
        raise InputError(
            "A part of a network that was rewritten as a graph can't be called by itself",
            "the graph holds what the whole network did with the example inputs",
            "call the network, or prune the part by itself",
        )


class GraphNetwork(nn.Module):
    """Executes a graph.

    Batch normalisation and dropout follow `train()` and `eval()`. Parameters and buffers have the names that they had
    in the user's model, so that state dictionaries are exchangeable.

    It is called as the user's model is. What the graph would answer otherwise than that, is answered by another graph
    if there is what makes them, and refused if not.

    tensors: name -> parameter or buffer (a plain tensor is a buffer). retracer: makes graphs for other calls.
    """

    forward = _Forward()

    recalibrating: Callable[[Tensor, Tensor], None] | None = None
    """Takes the mean and the variance of each batch while the statistics of batch normalisation are measured anew."""

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor], retracer: Retracer | None = None) -> None:
        super().__init__()
        self._graph = graph
        self._retracer = retracer
        self._recast = False  # whether its tensors are of other types than they were traced with
        for name, tensor in tensors.items():
            _register(self, name, tensor)
        self._follow_tensors()

    @property
    def interface(self) -> Interface:
        """How it may be called."""
        return self._graph.interface

    @property
    def retracer(self) -> Retracer | None:
        """What makes the graphs for other calls than the traced one."""
        return self._retracer

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The results of the user's model. Raises `CallError` for a call that the graph can't answer."""
        graph, values = self._answering(args, kwargs)
        read = self._written(graph, values)
        for node in graph.nodes:
            arguments, named = replace_refs((node.args, node.kwargs), read)
            values[node.name] = self._execute(node, arguments, named)
            for name in graph.last_uses[node.name]:
                values.pop(name, None)
        results = [replace_refs(output, read) for output in graph.outputs]
        return pytree.tree_unflatten(results, graph.output_structure)

    def _answering(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Graph, Values]:
        """The graph that answers a call, and the values of its inputs."""
        interface = self._graph.interface
        train = self.training and not interface.trains
        try:
            if train:
                raise interface.training()
            if self._recast and (self._retracer is not None or self._graph.names_precision):
                raise interface.recast()
            return self._graph, dict(interface.inputs(args, kwargs))
        except CallError as refused:
            interface.check_cache(args, kwargs)
            if self._retracer is None:
                raise
            graph = self._retracer.graph_for(args, kwargs, {**self._named_tensors()}, refused, train)
        interface.check_no_cache_lost(graph.interface)
        return graph, dict(graph.interface.inputs(args, kwargs))

    def _named_tensors(self) -> dict[str, Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        """What `to`, `half`, `cuda` and such do: the graph goes along."""
        moved = super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._follow_tensors()
        return moved

    def _follow_tensors(self) -> None:
        """Have the graph make tensors where the network's are, and see whether these are of the types that it knows."""
        tensors = self._named_tensors()
        if tensors:
            self._graph = self._graph.on(next(iter(tensors.values())).device)
        names = {**self._graph.tensors.parameters, **self._graph.tensors.buffers}
        traced = {name: self._graph.types[node].dtype for node, name in names.items() if node in self._graph.types}
        self._recast = any(name in tensors and tensors[name].dtype != dtype for name, dtype in traced.items())

    def _execute(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operation."""
        place = FOLLOWS_MODE.get(node.kind)
        if place is not None and len(args) > place and args[place] is False:
            args = (*args[:place], self.training, *args[place + 1 :])
        if self.recalibrating is None or node.kind != "batch_norm" or args[3] is None:
            return function_of(node.op)(*args, **kwargs)
        result = function_of(node.op)(*args[:5], True, 1.0, *args[7:], **kwargs)
        self.recalibrating(args[3], args[4])
        return result

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            graph = vars(self).get("_graph")
            if graph is None or name not in graph.interface.lost:
                raise
        raise _lost(graph.interface, name)

    def __setattr__(self, name: str, value: Any) -> None:
        graph = vars(self).get("_graph")
        if graph is not None and name in graph.interface.lost:
            raise _lost(graph.interface, name)  # nothing would read it
        super().__setattr__(name, value)

    def _written(self, graph: Graph, values: Values) -> Callable[[Any], Any]:
        """How arguments are read: references by their values, sizes per sample by the batch at hand."""
        places = graph.interface.batch
        batch = values[places[0][0]].shape[places[0][1]] if places else 1
        return lambda item: item.times * batch if isinstance(item, PerSample) else self._value(graph, values, item)

    def _value(self, graph: Graph, values: Values, ref: Ref) -> Any:
        if ref.name in values:
            return values[ref.name]
        name = graph.tensors.name_of(ref.name)
        if graph is not self._graph and name in graph.tensors.values:  # a constant of this one call
            return graph.tensors.values[name].to(graph.device)
        return self._tensor(name)

    def _tensor(self, name: str) -> Tensor:
        """The parameter, buffer or constant of that name."""
        *path, last = name.split(".")
        module: nn.Module = self
        for step in path:
            module = module._modules[step]  # type: ignore[assignment]
        tensor = module._parameters.get(last)
        return module._buffers[last] if tensor is None else tensor  # type: ignore[return-value]


def _lost(interface: Interface, name: str) -> LostError:
    return LostError(
        f"{interface.network}.{name} was lost when the network was rewritten as a graph",
        "a graph holds what `forward` did with the example inputs, and nothing else of the class",
        "save it with prunus.save(model, path), and read it with prunus.load(path)"
        if name == "save_pretrained"
        else "call the network itself, or prune a network whose class takes the new sizes",
    )


def _register(root: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor at its dotted name, making empty modules on the way."""
    *path, last = name.split(".")
    module = root
    for step in path:
        if step not in module._modules:
            module._modules[step] = ParameterGroup()
        module = module._modules[step]  # type: ignore[assignment]
    if isinstance(tensor, nn.Parameter):
        module._parameters[last] = tensor
    else:
        module._buffers[last] = tensor


@cache
def function_of(op: str) -> Callable[..., Any]:
    """The function behind an operation's name. Raises `InputError` for all but ATen and what a row of `ops` is for."""
    if op == "getitem":
        return operator.getitem
    namespace, _, rest = op.partition(".")
    packet, _, overload = rest.partition(".")
    known = getattr(torch.ops, namespace) if namespace == "aten" or f"{namespace}.{packet}" in OUTSIDE_ATEN else None
    found = getattr(getattr(known, packet, None), overload or "default", None)
    if not isinstance(found, torch._ops.OpOverload):
        do = f"import {namespace} before" if f"{namespace}.{packet}" in OUTSIDE_ATEN else "save the model anew"
        raise InputError(f"The operation {op!r} is unknown", "only ATen operations are executed", do)
    return found
