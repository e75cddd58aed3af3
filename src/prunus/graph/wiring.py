"""How a network is wired: labels carried through the graph, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from prunus.errors import InputError
from prunus.graph.axes import Axes, Axis, kept
from prunus.graph.batch import FixedBatchError, larger_batch
from prunus.graph.forest import Ids, all_roots
from prunus.graph.labels import Labels
from prunus.graph.node import Graph, Node, Ref, Shape, TensorType, refs, replace_refs, used_tensors
from prunus.graph.operation import Findings, Operation
from prunus.graph.rules import rule_of
from prunus.graph.taking import WINDOWED, meetings
from prunus.graph.trace import as_call, trace

Value = Any  # Axes, a tuple of them, or nothing


@dataclass(frozen=True)
class Wiring:
    """The labels of every tensor of a network.

    tensors: name in the model -> axes, for parameters, buffers and constants that are used, in order of their use.
    values: one per graph: node -> axes of its result.
    modules: node -> path of the module that calls it.
    """

    graphs: tuple[Graph, ...]
    labels: Labels
    tensors: dict[str, Axes]
    values: tuple[dict[str, Value], ...]
    findings: Findings
    buffers: frozenset[str]
    modules: dict[str, str]

    @cached_property
    def roots(self) -> dict[tuple[str, int], Ids]:
        """Tensor and dimension -> what the labels along it were last joined to, once the whole network is wired.

        Dimensions of which nothing can be removed are not among them.
        """
        axes = ((name, d, axis) for name, axes in self.tensors.items() for d, axis in enumerate(axes.axes))
        arrays = {(name, d): axis.labels for name, d, axis in axes if not axis.is_kept}
        return dict(zip(arrays, all_roots(self.labels, list(arrays.values())), strict=True))


def wire_model(model: nn.Module, example_inputs: Any) -> Wiring:
    """Trace a model and carry labels through it.

    What only training uses, such as auxiliary heads, is traced in training mode as well.
    """
    graph = _with_tables(trace(model, example_inputs), model, example_inputs)
    return wire((graph, *_in_training(model, example_inputs, _unused(graph))))


def _with_tables(graph: Graph, model: nn.Module, example_inputs: Any) -> Graph:
    """The graph, or one that computes the same and reads more parameters.

    Some modules make tables of their parameters in training mode, such as attention biases, and read the tables in
    evaluation mode.
    """
    unused = _unused(graph)
    live = _own_modules(model, unused)
    try:
        other = trace(model, example_inputs, live=live) if live else graph
    except InputError:  # what they do while they train is something else
        return graph
    return other if len(_unused(other)) < len(unused) else graph


def _in_training(model: nn.Module, example_inputs: Any, unused: set[str]) -> Iterator[Graph]:
    """What reads the rest of the parameters: the network in training mode, or those of its modules that hold them."""
    if not unused:
        return
    try:
        args, kwargs = larger_batch(as_call(example_inputs))  # batch normalisation trains on more than one sample
        yield trace(model, kwargs or args, train=True)
    except (InputError, FixedBatchError):  # such as layers that are dropped by a throw of dice
        with suppress(InputError):
            yield trace(model, example_inputs, live=_own_modules(model, unused), beside=True)


def _unused(graph: Graph) -> set[str]:
    """Parameters that nothing reads."""
    return set(graph.tensors.parameters.values()) - used_tensors(graph)


def _own_modules(model: nn.Module, parameters: set[str]) -> list[str]:
    """The user's own modules that hold these parameters; some read them in training mode only, and then remember."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in sorted(parameters))
    return [name for name in names if not type(model.get_submodule(name)).__module__.startswith("torch.nn")]


def wire(graphs: tuple[Graph, ...]) -> Wiring:
    """Carry labels through one or several graphs of the same model.

    A dimension that is split gets channels along each axis, such as heads and their dimensions. Where these can't be
    matched with another split, as where channels are shuffled again and again, it is done anew with one axis only.
    """
    single: set[str] = set()
    while True:
        wiring = _wire(graphs, single)
        if wiring.labels.conflicts <= single:
            wiring.labels.settle()
            return wiring
        single |= wiring.labels.conflicts


def _wire(graphs: tuple[Graph, ...], single: set[str]) -> Wiring:
    wiring = Wiring(
        graphs=graphs,
        labels=Labels(single),
        tensors={},
        values=tuple({} for _ in graphs),
        findings=Findings(),
        buffers=frozenset().union(*(graph.tensors.without_gradient for graph in graphs)),
        modules={node.name: node.module for graph in graphs for node in graph.nodes},
    )
    for graph, values in zip(graphs, wiring.values, strict=True):
        _propagate(graph, wiring, values)
    return wiring


def _propagate(graph: Graph, wiring: Wiring, values: dict[str, Value]) -> None:
    for name in graph.inputs:
        values[name] = kept(graph.types[name].shape) if name in graph.types else None
    by_name = {node.name: node for node in graph.nodes}
    reads = _parts_read(graph)
    for node in graph.nodes:
        _take_over(graph, wiring, values, node)
        arguments = replace_refs((node.args, node.kwargs), lambda ref: _read(graph, wiring, values, ref))
        used = reads.get(node.name, frozenset())
        operation = Operation(node, arguments[0], arguments[1], wiring.labels, wiring.findings, used)
        values[node.name] = _result(operation)
        if node.in_place:
            _written(operation, values, by_name)
    _pin_outputs(graph, wiring, values)


def _parts_read(graph: Graph) -> dict[str, frozenset[int]]:
    """Node with several results -> the numbers of those that are read."""
    found: dict[str, set[int]] = {}
    read = {ref.name for each in (refs(graph.outputs), *(node.reads for node in graph.nodes)) for ref in each}
    for node in graph.nodes:
        if node.kind == "getitem" and node.name in read:
            found.setdefault(node.args[0].name, set()).add(node.args[1])
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _take_over(graph: Graph, wiring: Wiring, values: dict[str, Value], node: Node) -> None:
    """Give a layer's tensors that are read for the first time the labels of the channels that they are about to meet.

    So nothing has to be joined in most layers, which is what takes the time.
    """
    for place, dimension, other, there in meetings(node, lambda ref: _shape(graph, values, ref)):
        ref = node.args[place]
        if ref.name not in values and (name := graph.tensors.name_of(ref.name)) not in wiring.tensors:
            met: Axis = _read(graph, wiring, values, node.args[other])[there]
            windows = 2 if node.kind in WINDOWED else None
            wiring.tensors[name] = _new_tensor(wiring.labels, name, graph.types[ref.name], (dimension, met), windows)


def _shape(graph: Graph, values: dict[str, Value], ref: Ref) -> Shape:
    known: Shape = values[ref.name].shape if ref.name in values else graph.types[ref.name].shape
    return known


def _read(graph: Graph, wiring: Wiring, values: dict[str, Value], ref: Ref) -> Value:
    if ref.name not in values:
        name = graph.tensors.name_of(ref.name)
        if name not in wiring.tensors:
            wiring.tensors[name] = _new_tensor(wiring.labels, name, graph.types[ref.name])
        values[ref.name] = wiring.tensors[name]
    return values[ref.name]


def _new_tensor(
    labels: Labels, name: str, kind: TensorType, like: tuple[int, Axis] | None = None, end: int | None = None
) -> Axes:
    """Every position of a floating-point or complex tensor may be removed until something speaks against it.

    like: a dimension, and channels that are its own, unless some of these can't be removed. end: where dimensions begin
    of which nothing can be.
    """
    if not (kind.dtype.is_floating_point or kind.dtype.is_complex):
        return kept(kind.shape)
    axes = []
    for d, size in enumerate(kind.shape[:end]):
        if like and like[0] == d and np.count_nonzero(like[1].labels) == size > 1:
            ids = like[1].labels
        else:
            ids = labels.fresh(size) if size > 1 else np.zeros(size, dtype=np.int64)
        axes.append(Axis(ids, True, frozenset({(name, d)})))
    return Axes((*axes, *kept(kind.shape[end:] if end else ()).axes))


def _result(operation: Operation) -> Value:
    node = operation.node
    if node.kind == "getitem":
        return operation.args[0][operation.args[1]]
    if not operation.shapes and not isinstance(node.output, tuple):
        return None
    result = rule_of(node.kind)(operation)
    for axes, shape in zip(result if isinstance(result, tuple) else (result,), operation.shapes, strict=False):
        if axes.shape != shape:
            raise AssertionError(f"the rule of {node} gives {axes.shape} instead of {shape}")
    return result


VIEWS = frozenset(
    {"slice", "select", "view", "transpose", "permute", "getitem", "chunk", "split", "narrow", "unbind", "squeeze"}
    | {"unsqueeze", "reshape", "flatten", "unflatten", "expand", "alias", "detach"}
)


def _written(operation: Operation, values: dict[str, Value], nodes: dict[str, Node]) -> None:
    """A result written into the first argument: later readers of that one see it too."""
    target = operation.node.args[0]
    if not isinstance(target, Ref):
        return
    before, after = values[target.name], values[operation.node.name]
    through_view = target.name in nodes and nodes[target.name].kind in VIEWS
    if through_view and any(a.vanishes and not b.vanishes for a, b in zip(before.axes, after.axes, strict=True)):
        operation.pin(before.axes, "written in place through a view")
    values[target.name] = after


def _pin_outputs(graph: Graph, wiring: Wiring, values: dict[str, Value]) -> None:
    for output in graph.outputs:
        if isinstance(output, Ref) and isinstance(axes := values.get(output.name), Axes):
            for axis in axes.axes:
                if not axis.is_kept:
                    wiring.labels.pin(axis.labels, "model output")
