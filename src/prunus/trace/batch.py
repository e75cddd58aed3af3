"""Freeing the batch size of a traced network: what grows with the batch is found by tracing at another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from prunus.graph.interface import Place
from prunus.graph.node import Graph, Node, PerSample, replace_refs
from prunus.trace.trace import Call


class FixedBatchError(ValueError):
    """A size depends on the batch in another way than being a multiple of it."""


def larger_batch(call: Call) -> Call:
    """The call with one sample more, in every tensor whose first dimension is that of the first tensor."""
    batch = batch_size(call)

    def grow(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dim() and value.shape[0] == batch:
            return torch.cat([value, value[:1]])
        return value

    grown: Call = pytree.tree_map(grow, call)
    return grown


def single(call: Call) -> Call:
    """The call with one sample alone."""
    batch = batch_size(call)
    first: Call = pytree.tree_map(
        lambda value: value[:1] if isinstance(value, torch.Tensor) and value.shape[:1] == (batch,) else value, call
    )
    return first


def batch_size(call: Call) -> int:
    """First dimension of the first tensor that has one."""
    for value in pytree.tree_leaves(call):
        if isinstance(value, torch.Tensor) and value.dim():
            return value.shape[0]
    raise FixedBatchError("no input has a batch")


def with_free_batch(small: Graph, large: Graph) -> Graph:
    """One graph for every batch size, from two that were traced at sizes b and b + 1.

    Raises `FixedBatchError` where the two differ in more than multiples of the batch.
    """
    places = _batch_places(small)
    batch = small.interface.types[places[0][0]].shape[0]
    if len(small.nodes) != len(large.nodes):
        raise FixedBatchError("another batch takes another path")
    for name, value in small.tensors.values.items():
        if not torch.equal(value, large.tensors.values.get(name, value)):
            raise FixedBatchError(f"the numbers of {name!r} depend on the batch")
    nodes = tuple(_node(a, b, batch) for a, b in zip(small.nodes, large.nodes, strict=True))
    return replace(small, nodes=nodes, interface=replace(small.interface, batch=places))


def check_batch(free: Graph, traced: Graph) -> None:
    """Raises `FixedBatchError` if a graph for every batch size is not what was traced at another one."""
    batch = traced.interface.types[free.interface.batch[0][0]].shape[0]
    nodes = replace_refs([(n.name, n.op, n.args, n.kwargs) for n in free.nodes], lambda item: _at(item, batch))
    if nodes != [(n.name, n.op, n.args, n.kwargs) for n in traced.nodes]:
        raise FixedBatchError(f"a batch of {batch} takes another path")


def _at(item: Any, batch: int) -> Any:
    return item.times * batch if isinstance(item, PerSample) else item


def _batch_places(graph: Graph) -> tuple[Place, ...]:
    """The dimensions that `larger_batch` makes larger."""
    shapes = {name: kind.shape for name, kind in graph.interface.types.items() if kind.shape}
    batch = next(iter(shapes.values()))[0]
    return tuple((name, 0) for name, shape in shapes.items() if shape[0] == batch)


def _node(small: Node, large: Node, batch: int) -> Node:
    if (small.name, small.op) != (large.name, large.op):
        raise FixedBatchError(f"another batch takes another path at {small}")
    args, kwargs = _value((small.args, small.kwargs), (large.args, large.kwargs), batch)
    return replace(small, args=args, kwargs=kwargs)


def _value(small: Any, large: Any, batch: int) -> Any:
    if isinstance(small, dict) and isinstance(large, dict) and small.keys() == large.keys():
        return {key: _value(small[key], large[key], batch) for key in small}
    if isinstance(small, (tuple, list)) and type(small) is type(large) and len(small) == len(large):
        return type(small)(_value(a, b, batch) for a, b in zip(small, large, strict=True))
    if small == large:
        return small
    if isinstance(small, int) and isinstance(large, int) and small % batch == 0:
        times = small // batch
        if large == times * (batch + 1):
            return PerSample(times)
    raise FixedBatchError(f"{small} becomes {large}")
