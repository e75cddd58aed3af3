"""The masked network where zeroing is not removing: norms over channels are taken over those that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunus.graph import Graph, Node, Wiring
from prunus.graph.axes import Axes
from prunus.graph.inventory import held_tensors
from prunus.graph.kept import Kept
from prunus.graph.node import replace_refs
from prunus.surgery.network import GraphNetwork
from prunus.surgery.rewrite import rewrite_node
from prunus.surgery.tensors import own


class MaskedNetwork(GraphNetwork):
    """Executes the unpruned graph on masked tensors.

    A node that averages over pruned channels sees only those that are kept; where the others were, its result is zero.
    """

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor], wiring: Wiring, kept: Kept) -> None:
        super().__init__(graph, tensors)
        values = wiring.values[wiring.graphs.index(graph)]
        self._narrowed = {
            node.name: _Narrowed(node, values, wiring, kept)
            for node in graph.nodes
            if any(not kept.mask(ids).all() for ids in wiring.findings.normalised.get(node.name, ()))
        }

    def _execute(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        narrowed = self._narrowed.get(node.name)
        if narrowed is None:
            return super()._execute(node, args, kwargs)
        return narrowed.widened(super()._execute(narrowed.node, *narrowed.select(args, kwargs)))


class _Narrowed:
    """One operation on what is kept of its arguments."""

    def __init__(self, node: Node, values: Mapping[str, Any], wiring: Wiring, kept: Kept) -> None:
        self.node = rewrite_node(node, values, wiring, kept)
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
            value = wide.index_copy(dim, self._positions(axis.labels), value)
        return value


def masked_network(held: Mapping[str, Tensor], wiring: Wiring, kept: Kept, double: bool = False) -> MaskedNetwork:
    """The masked reference of a model whose tensors are zeroed already, and in double precision or not."""
    graph = wiring.graphs[0]
    return MaskedNetwork(graph, _read(held, graph, double), wiring, kept)


def tensors_of(model: nn.Module, graph: Graph) -> dict[str, Tensor]:
    """What the graph reads: the model's own parameters, buffers and tensor attributes, else the graph's constants."""
    return _read(held_tensors(model), graph, double=False)


def _read(held: Mapping[str, Tensor], graph: Graph, double: bool) -> dict[str, Tensor]:
    constants = graph.tensors.values
    return {name: held[name] if name in held else own(constants[name], double) for name in graph.tensors.names()}
