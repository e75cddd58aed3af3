"""How the channels of a network are coupled: labels carried through the graph, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from prunus.coupling.outputs import Outputs, full_width, output_paths
from prunus.errors import InputError
from prunus.graph.node import Graph, Node, Ref, TensorType, refs, replace_refs, used_tensors
from prunus.labels.axes import Axes, Axis, batch_axis, kept
from prunus.labels.labels import Labels
from prunus.labels.union_find import Ids, all_roots
from prunus.ops import CouplingFindings, Operation, is_view, rule_of
from prunus.system.quiet import quiet
from prunus.trace.batch import FixedBatchError, larger_batch
from prunus.trace.copying import fresh_copy
from prunus.trace.eager import record_eagerly
from prunus.trace.inventory import unwrapped
from prunus.trace.other_calls import Edit, optional_arguments
from prunus.trace.recording import record
from prunus.trace.trace import TRAIN, Call, UntraceableError, as_call, run_once, trace

Value = Any  # Axes, a tuple of them, or nothing


@dataclass(frozen=True)
class Coupling:
    """The labels of every tensor of a network.

    tensors: name in the model -> axes, for parameters, buffers and constants that are used, in order of their use.
    values: one per graph: node -> axes of its result.
    modules: node -> path of the module that calls it.
    """

    graphs: tuple[Graph, ...]
    labels: Labels
    tensors: dict[str, Axes]
    values: tuple[dict[str, Value], ...]
    findings: CouplingFindings
    buffers: frozenset[str]
    modules: dict[str, str]

    @cached_property
    def roots(self) -> dict[tuple[str, int], Ids]:
        """Tensor and dimension -> what the labels along it were last joined to, once the whole network is coupled.

        Dimensions of which nothing can be removed are not among them.
        """
        axes = ((name, d, axis) for name, axes in self.tensors.items() for d, axis in enumerate(axes.axes))
        arrays = {(name, d): axis.labels for name, d, axis in axes if not axis.is_kept}
        return dict(zip(arrays, all_roots(self.labels, list(arrays.values())), strict=True))


def couple_model(model: nn.Module, example_inputs: Any, outputs: Outputs = None) -> Coupling:
    """Trace a model, without what compiles it or trains it in parallel, and carry labels through it.

    outputs: those that keep their width, as in `full_width`.
    What only training uses, such as auxiliary heads, is traced in training mode as well, and what is only used with
    arguments that the example leaves out, such as the numbers of segments, with these. A model that can't be traced,
    since its control flow depends on data, is recorded while it runs on the example inputs.
    """
    model = unwrapped(model)
    try:
        graph = _with_tables(trace(model, example_inputs), model, example_inputs)
    except UntraceableError as error:
        return couple(_recorded_eagerly(model, example_inputs, error), outputs)
    graphs = (graph, *_in_training(model, example_inputs, _unused(graph)))
    return couple((*graphs, *_with_more_arguments(model, example_inputs, graphs)), outputs)


def _recorded_eagerly(model: nn.Module, example_inputs: Any, untraced: UntraceableError) -> tuple[Graph, ...]:
    """What the model does on the example inputs in evaluation mode, and in training if it uses more tensors then."""
    args, kwargs = as_call(example_inputs)
    try:
        with quiet():
            graph = record_eagerly(model, args, kwargs, untraced.why, train=False, prefix="")
    except Exception as error:  # whatever it raises that it does not raise when nobody watches
        run_once(fresh_copy(model), args, kwargs)
        raise untraced from error
    with suppress(Exception), quiet():
        if _unused(graph):
            return graph, record_eagerly(model, args, kwargs, untraced.why, train=True, prefix=TRAIN)
    return (graph,)


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
            yield trace(model, example_inputs, live=_own_modules(model, unused), beside=TRAIN)


def _with_more_arguments(model: nn.Module, example_inputs: Any, graphs: Sequence[Graph]) -> Iterator[Graph]:
    """What reads parameters that these graphs do not, since the call gives an argument that the example leaves out."""
    unused, call = set.intersection(*map(_unused, graphs)), as_call(example_inputs)
    for number, edits in enumerate(optional_arguments(model, call) if unused else ()):
        graph = next(_recorded(model, edits, call, f"call {number}."), None)
        if graph is not None and unused & used_tensors(graph):
            yield graph
            unused -= used_tensors(graph)


def _recorded(model: nn.Module, edits: Sequence[Edit], call: Call, prefix: str) -> Iterator[Graph]:
    """What the model does with the call as each of these change it, if it takes that."""
    for edit in edits:
        with suppress(Exception), quiet():  # whatever a model raises that is called in a way that it does not take
            args, kwargs = edit.change(call)
            yield record(model, args, kwargs, train=False, prefix=prefix)


def _unused(graph: Graph) -> set[str]:
    """Parameters that nothing reads."""
    return set(graph.tensors.parameters.values()) - used_tensors(graph)


def _own_modules(model: nn.Module, parameters: set[str]) -> list[str]:
    """The user's own modules that hold these parameters; some read them in training mode only, and then remember."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in sorted(parameters))
    return [name for name in names if not type(model.get_submodule(name)).__module__.startswith("torch.nn")]


def couple(graphs: tuple[Graph, ...], outputs: Outputs = None) -> Coupling:
    """Carry labels through one or several graphs of the same model.

    A dimension that is split gets channels along each axis, such as heads and their dimensions. Where these can't be
    matched with another split, as where channels are shuffled again and again, it is done anew with one axis only.
    """
    single: set[str] = set()
    while True:
        coupling = _coupled(graphs, single, outputs)
        # Conflicts are known only when everything is coupled, and labels that were joined cannot be parted, so all is
        # coupled anew. It ends: every round adds a split of a finite number.
        if coupling.labels.conflicts <= single:
            coupling.labels.settle()
            return coupling
        single |= coupling.labels.conflicts


def _coupled(graphs: tuple[Graph, ...], single: set[str], outputs: Outputs) -> Coupling:
    coupling = Coupling(
        graphs=graphs,
        labels=Labels(single),
        tensors={},
        values=tuple({} for _ in graphs),
        findings=CouplingFindings(),
        buffers=frozenset().union(*(graph.tensors.without_gradient for graph in graphs)),
        modules={node.name: node.module for graph in graphs for node in graph.nodes},
    )
    for graph, values in zip(graphs, coupling.values, strict=True):
        _propagate(graph, coupling, values)
    _pin_outputs(coupling, outputs)
    return coupling


def _propagate(graph: Graph, coupling: Coupling, values: dict[str, Value]) -> None:
    samples = next((graph.types[name].shape[0] for name in graph.inputs if _has_batch(graph, name)), 0)
    for name in graph.inputs:
        # Whoever calls the network gives its inputs whole.
        values[name] = kept(graph.types[name].shape) if name in graph.types else None
        if _has_batch(graph, name) and graph.types[name].shape[0] == samples:
            values[name] = kept(graph.types[name].shape).with_axis(0, batch_axis(samples))
    by_name = {node.name: node for node in graph.nodes}
    reads = _parts_read(graph)
    for node in graph.nodes:
        arguments = replace_refs((node.args, node.kwargs), lambda ref: _read(graph, coupling, values, ref))
        used = reads.get(node.name, frozenset())
        operation = Operation(node, arguments[0], arguments[1], coupling.labels, coupling.findings, used)
        values[node.name] = _result(operation)
        if node.in_place:
            _written(operation, values, by_name)


def _has_batch(graph: Graph, name: str) -> bool:
    """Whether an input is a tensor with dimensions, of which the first is taken for that of the samples."""
    return name in graph.types and bool(graph.types[name].shape)


def _parts_read(graph: Graph) -> dict[str, frozenset[int]]:
    """Node with several results -> the numbers of those that are read."""
    found: dict[str, set[int]] = {}
    read = {ref.name for each in (refs(graph.outputs), *(node.reads for node in graph.nodes)) for ref in each}
    for node in graph.nodes:
        if node.kind == "getitem" and node.name in read:
            found.setdefault(node.args[0].name, set()).add(node.args[1])
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _read(graph: Graph, coupling: Coupling, values: dict[str, Value], ref: Ref) -> Value:
    if ref.name not in values:
        name = graph.tensors.name_of(ref.name)
        # A tensor has the same labels in every graph that reads it: this is what couples the graphs of one model.
        if name not in coupling.tensors:
            coupling.tensors[name] = _new_tensor(coupling.labels, name, graph.types[ref.name])
        values[ref.name] = coupling.tensors[name]
    return values[ref.name]


def _new_tensor(labels: Labels, name: str, kind: TensorType) -> Axes:
    """Every position of a floating-point or complex tensor may be removed until something speaks against it."""
    if not (kind.dtype.is_floating_point or kind.dtype.is_complex):
        return kept(kind.shape)
    sizes = enumerate(kind.shape)
    # Zeros are KEPT: the only position of a dimension of size 1 cannot be removed.
    ids = {d: labels.fresh(size) if size > 1 else np.zeros(size, dtype=np.int64) for d, size in sizes}
    return Axes(tuple(Axis(ids[d], True, frozenset({(name, d)})) for d in ids))


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


def _written(operation: Operation, values: dict[str, Value], nodes: dict[str, Node]) -> None:
    """A result written into the first argument: later readers of that one see it too."""
    target = operation.node.args[0]
    if not isinstance(target, Ref):
        return
    before, after = values[target.name], values[operation.node.name]
    # The tensor that a view looks at goes on being read under its own labels. Where these promise zeros that the
    # writing does away with, nothing of it may be removed.
    through_view = target.name in nodes and is_view(nodes[target.name].kind)
    if through_view and any(
        a.zero_when_removed and not b.zero_when_removed for a, b in zip(before.axes, after.axes, strict=True)
    ):
        operation.pin(before.axes, "written in place through a view")
    values[target.name] = after


def _pin_outputs(coupling: Coupling, outputs: Outputs) -> None:
    """Keep the outputs that are to have their full width; of other graphs also what the first does not return."""
    known = {path.partition(".")[0] for path in output_paths(coupling.graphs[0])}
    for number, (graph, values) in enumerate(zip(coupling.graphs, coupling.values, strict=True)):
        kept_places = full_width(graph, outputs, must_fit=number == 0)
        for place, (path, output) in enumerate(zip(output_paths(graph), graph.outputs, strict=True)):
            # In training mode a network may return more than otherwise, such as auxiliary logits: whoever trains reads
            # them.
            is_kept = place in kept_places or path.partition(".")[0] not in known
            if is_kept and isinstance(output, Ref) and isinstance(axes := values.get(output.name), Axes):
                for axis in axes.axes:
                    if not axis.is_kept:
                        coupling.labels.pin(axis.labels, "model output")
