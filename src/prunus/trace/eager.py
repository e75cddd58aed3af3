"""From a model and example inputs to a graph, by running it on them: for networks with data-dependent control flow.

The graph holds the way that one run took. From each decision on, another run may go another way, in code that was not
seen, and that can read what is held at that moment: all such values keep their width. What lies between two decisions,
and is held by nobody any more, is always the same, and can be pruned.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.graph.interface import Interface, interface_of
from prunus.graph.node import Graph, Node, Ref, needed
from prunus.trace.copying import evaluating, fresh_copy
from prunus.trace.data_dependence import HeldTensors, Indexing, decides, reading
from prunus.trace.inventory import held_tensors
from prunus.trace.recording import Recorder, operation_of
from prunus.trace.results import PlainResult
from prunus.trace.shapes import NeedsValuesError, Shapes, apart, following

DECISION = "prunus.decision"
"""How the names of nodes begin that stand for a decision that depends on data, with what is held at that moment."""

FOLLOWED = frozenset(("index", "item"))
"""Data-dependent operations that have a row that knows of it."""


def record_eagerly(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], why: str, train: bool, prefix: str
) -> Graph:
    """Run a copy, in inference, and write down what it does; see `record`, which does so without values.

    why: the network can't be traced. Raises whatever the model raises.
    """
    held: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in held_tensors(model).items():
        held.setdefault(id(tensor), (name, tensor))
    copies = {id(tensor): _with_own_memory(tensor) for _, tensor in held.values()}
    clone = fresh_copy(model, copies)
    inputs = pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, (args, kwargs))
    device = next((tensor.device for _, tensor in held.values()), torch.device("cpu"))
    shapes = Shapes(clone, inputs, dict(held.values()), copies, device)
    clone = clone.train() if train else evaluating(clone)
    clone.register_forward_hook(returning := PlainResult())
    with apart(), torch.inference_mode(), following(clone) as running:
        recorder = EagerRecorder(shapes, running, prefix)
        names = tuple(recorder.take(leaf) for leaf in pytree.tree_leaves(inputs))
        with reading(recorder.decided), Indexing(), recorder:
            results, returned = pytree.tree_flatten(clone(*inputs[0], **inputs[1]))
    outputs = tuple(recorder.argument(value) for value in results)
    interface = interface_of(model, args, kwargs, names, returning.caches)
    graph = recorder.graph(names, outputs, interface, returned)
    return replace(graph, untraced=why)


def _with_own_memory(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy


class EagerRecorder(Recorder):  # type: ignore[no-untyped-call]
    """Writes down operations on tensors with values, and what is held wherever these decide on what follows."""

    def __init__(self, shapes: Shapes, running: list[tuple[str, nn.Module]], prefix: str) -> None:
        self._held = HeldTensors()
        self._dying: dict[int, weakref.ref[Tensor]] = {}
        self._from_elsewhere: list[str] = []
        self._decisions: list[Ref] = []
        super().__init__(shapes, running, prefix)
        self._held.take()  # what is known so far is the model's own

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        about = operation_of(func)
        if about is not None and about.is_lifting:  # a tensor of numbers that stand in the forward: as from elsewhere
            return func(*args, **kwargs)
        if about is not None and not about.has_rule:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        written = self.argument(args), self.argument(kwargs)
        result = func(*args, **kwargs)
        is_decision = decides(func, args, kwargs, result)
        name = func.overloadpacket.__name__
        followed = (not is_decision or name in FOLLOWED) and not (about is not None and about.writes_elsewhere)
        op = str(func) if followed else f"prunus.by_values.{name}"
        self._learn(result, self._node(name, op, *written, result).name)
        if is_decision:
            self.decided(name)
        return result

    def decided(self, name: str) -> None:
        """Values have decided by this operation: what is held now may be read by code that does not run here."""
        held = tuple(Ref(self._name_of(tensor)) for tensor in self._held.take())
        node = self._node("decision", f"{DECISION}.{name}", (held,), {}, None)
        self._nodes[-1] = replace(node, output=())
        self._decisions.append(Ref(node.name))

    def _learn(self, result: Any, name: str) -> None:
        if isinstance(result, Tensor):
            self._know(result, name)
        elif isinstance(result, (tuple, list)):
            for place, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._know(part, self._node("getitem", "getitem", (Ref(name), place), {}, part).name)

    def _know(self, tensor: Tensor, name: str) -> None:
        key = id(tensor)
        self._names[key] = name
        self._dying[key] = weakref.ref(tensor, lambda _: self._forget(key))
        self._held.add(tensor)

    def _forget(self, key: int) -> None:
        self._names.pop(key, None)
        self._dying.pop(key, None)

    def _name_of(self, tensor: Tensor) -> str:
        try:
            return super()._name_of(tensor)
        except NeedsValuesError:  # made by numpy or another library
            name = self._named("elsewhere", tensor)
            self._from_elsewhere.append(name)
            return name

    def graph(
        self, inputs: tuple[str, ...], outputs: tuple[Any, ...], interface: Interface, returned: pytree.TreeSpec
    ) -> Graph:
        """What was written down, but for what nobody needs."""
        nodes = needed(self._nodes, (*outputs, *self._decisions), self._tensors)
        graph = super().graph((*inputs, *self._from_elsewhere), outputs, interface, returned)
        return replace(graph, nodes=nodes)


def decisions(graph: Graph) -> list[Node]:
    """The nodes of such a graph that stand for decisions that depend on data."""
    return [node for node in graph.nodes if node.op.startswith(DECISION)]
