"""Zeroing instead of removing: boolean masks for a group, and a masked copy of a model.

Where zeroing is not removing, the copy is the traced network, in which norms over channels are taken over those that
are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels.network import GraphNetwork
from prunus.channels.plan import Plan, kept_units
from prunus.channels.removed import kept_after, rewrite_node
from prunus.channels.tensors import Places, anew
from prunus.coupling import ChannelGroup, Coupling, couple_model
from prunus.graph import Graph, Node
from prunus.graph.node import replace_refs
from prunus.labels.axes import Axes
from prunus.labels.labels import KeepMask
from prunus.trace.copying import Instead, fresh_copy, own
from prunus.trace.inventory import held_tensors, unwrapped


def unit_masks(
    group: ChannelGroup, keep: Any, shapes: dict[str, torch.Size], consumers: bool = True
) -> dict[str, Tensor]:
    """Boolean masks over the parameters of a group: False where a unit that is not kept has entries.

    keep: units to keep, or one boolean per unit. shapes: parameter -> its shape.
    consumers: also the input slices of the layers that follow; they read zeros, so that their values don't matter as
    long as zero stays zero through what lies between.
    Masks of several groups are combined with `&`.
    """
    gone = sorted(set(range(group.units)) - kept_units(group, keep))
    masks: dict[str, Tensor] = {}
    for member in group.producers + (group.consumers if consumers else ()):
        mask = masks.setdefault(member.parameter, torch.ones(shapes[member.parameter], dtype=torch.bool))
        positions = [position for unit in gone for position in member.indices[unit]]
        mask.index_fill_(member.dim, torch.tensor(positions, dtype=torch.long), False)
    return masks


def masked(model: nn.Module, plan: Plan, example_inputs: Any = None) -> nn.Module:
    """A copy in which every entry that the plan removes is zero; variances of norms, which divide, are left.

    Where a norm runs over channels that the plan removes (`plan.normalised`), zeroing is not removing: then the result
    takes that norm over the kept channels. This needs example inputs, to trace the model with.
    """
    model = unwrapped(model)
    if not plan.normalised:
        return zeroed(model, plan)
    coupling = couple_model(model, example_inputs)
    return masked_in(model, plan, coupling, kept_after(coupling, plan))


def masked_in(
    model: nn.Module,
    plan: Plan,
    coupling: Coupling,
    kept: KeepMask,
    values: Instead | None = None,
    double: bool = False,
    places: Places | None = None,
) -> nn.Module:
    """`masked` for a model whose channels are coupled already.

    values: id of a tensor -> other values for it. double: in double precision.
    """
    held = held_tensors(model)
    with torch.no_grad():
        tensors = anew(held, values or {}, double, [cut for cut in plan.cuts if cut.zero], places)
    if not plan.normalised:
        return fresh_copy(model, tensors)
    zeros = {name: tensors[id(tensor)] for name, tensor in held.items()}
    return masked_network(zeros, coupling, kept, double).train(model.training)


def zeroed(model: nn.Module, plan: Plan) -> nn.Module:
    """A copy in which every entry that the plan removes is zero."""
    with torch.no_grad():
        return fresh_copy(model, anew(held_tensors(model), {}, False, [cut for cut in plan.cuts if cut.zero]))


class MaskedNetwork(GraphNetwork):
    """Executes the unpruned graph on masked tensors.

    A node that averages over pruned channels sees only those that are kept; where the others were, its result is zero.
    """

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor], coupling: Coupling, kept: KeepMask) -> None:
        super().__init__(graph, tensors)
        values = coupling.values[coupling.graphs.index(graph)]
        self._narrowed = {
            node.name: _Narrowed(node, values, coupling, kept)
            for node in graph.nodes
            if any(not kept.mask(ids).all() for ids in coupling.findings.normalised.get(node.name, ()))
        }

    def _execute(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        narrowed = self._narrowed.get(node.name)
        if narrowed is None:
            return super()._execute(node, args, kwargs)
        return narrowed.widened(super()._execute(narrowed.node, *narrowed.select(args, kwargs)))


class _Narrowed:
    """One operation on what is kept of its arguments."""

    def __init__(self, node: Node, values: Mapping[str, Any], coupling: Coupling, kept: KeepMask) -> None:
        self.node = rewrite_node(node, values, coupling, kept)
        self._kept = kept
        self._arguments = replace_refs((node.args, node.kwargs), lambda ref: values[ref.name])
        self._results = values[node.name]

    def __deepcopy__(self, memo: dict[int, Any]) -> _Narrowed:
        """Nothing in it changes: copies of a network share it."""
        return self

    def select(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What is kept of the arguments, and the written numbers adapted to it."""
        numbers = (self.node.args, self.node.kwargs)
        selected: tuple[tuple[Any, ...], dict[str, Any]] = self._map(numbers, self._arguments, (args, kwargs))
        return selected

    def _map(self, written: Any, axes: Any, value: Any) -> Any:
        if isinstance(axes, Axes):
            for dim, axis in enumerate(axes.axes):
                value = value.index_select(dim, self._positions(axis.labels))
            return value
        if isinstance(axes, dict):
            return {key: self._map(written[key], axes[key], value[key]) for key in axes}
        if isinstance(axes, (tuple, list)) and len(axes) == len(written):
            return type(axes)(self._map(*items) for items in zip(written, axes, value, strict=True))
        return written

    def _positions(self, labels: Any) -> Tensor:
        return torch.from_numpy(self._kept.positions(labels))

    def widened(self, result: Any) -> Any:
        """The result with zeros where nothing is kept."""
        if isinstance(result, (tuple, list)):
            return tuple(self._widen(part, axes) for part, axes in zip(result, self._results, strict=True))
        return self._widen(result, self._results)

    def _widen(self, value: Tensor, axes: Axes) -> Tensor:
        for dim, axis in enumerate(axes.axes):
            shape = list(value.shape)
            shape[dim] = axis.size
            wide = value.new_zeros(shape)
            # Where nothing is kept the result is zero, as it is in a network whose channels are masked.
            value = wide.index_copy(dim, self._positions(axis.labels), value)
        return value


def masked_network(
    held: Mapping[str, Tensor], coupling: Coupling, kept: KeepMask, double: bool = False
) -> MaskedNetwork:
    """The masked reference of a model whose tensors are zeroed already, and in double precision or not."""
    graph = coupling.graphs[0]
    return MaskedNetwork(graph, _read(held, graph, double), coupling, kept)


def tensors_of(model: nn.Module, graph: Graph) -> dict[str, Tensor]:
    """What the graph reads: the model's own parameters, buffers and tensor attributes, else the graph's constants."""
    return _read(held_tensors(model), graph, double=False)


def _read(held: Mapping[str, Tensor], graph: Graph, double: bool) -> dict[str, Tensor]:
    constants = graph.tensors.values
    return {name: held[name] if name in held else own(constants[name], double) for name in graph.tensors.names()}
