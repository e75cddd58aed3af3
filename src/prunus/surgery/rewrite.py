"""Numbers written into a traced network that follow from its sizes: one row per operation says which."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from prunus.graph import Graph, Node, Wiring
from prunus.graph.axes import Axes
from prunus.graph.kept import Kept
from prunus.graph.node import replace_refs


@dataclass(frozen=True)
class Site:
    """A node of the traced network, with the axes of its arguments and results, and what is left of them."""

    node: Node
    args: tuple[Any, ...]
    results: tuple[Axes, ...]
    wiring: Wiring
    kept: Kept

    def shape(self) -> list[int]:
        """What is left of the only result."""
        return list(self.kept.shape(self.results[0]))

    def counted(self, argument: str) -> int:
        """What is left of a number that counts channels."""
        ids = self.wiring.findings.counts[self.node.name, argument]
        return int(self.kept.mask(ids).sum())

    def with_args(self, changed: dict[int, Any]) -> Node:
        """The node with some positional arguments exchanged."""
        args = list(self.node.args)
        for place, value in changed.items():
            args[place] = value
        return replace(self.node, args=tuple(args))


Rewrite: TypeAlias = Callable[[Site], Node]


def _merged(old: Sequence[Any], before: Sequence[int], after: Sequence[int]) -> list[Any]:
    """Written sizes with those exchanged that change; -1 and sizes computed elsewhere stay."""
    return [
        size if not isinstance(size, int) or size == -1 or was == now else now
        for size, was, now in zip(old, before, after, strict=True)
    ]


def _sizes(site: Site) -> Node:
    """`size` as second argument: view, reshape, expand."""
    return site.with_args({1: _merged(site.node.args[1], site.results[0].shape, site.shape())})


def _repeats(site: Site) -> Node:
    """How often each dimension is repeated: single ones as often as there are channels that they follow."""
    times, after = list(site.node.args[1]), site.shape()
    leading = len(times) - site.args[0].rank
    for d, size in enumerate(site.results[0].shape):
        if after[d] != size and (d < leading or site.args[0][d - leading].size == 1):
            times[d] = after[d]
    return site.with_args({1: times})


def _created(place: int) -> Rewrite:
    """Sizes of a new tensor."""

    def rewrite(site: Site) -> Node:
        return site.with_args({place: _merged(site.node.args[place], site.results[0].shape, site.shape())})

    return rewrite


def _unflattened(site: Site) -> Node:
    dim, sizes = int(site.node.args[1]) % site.args[0].rank, site.node.args[2]
    part = slice(dim, dim + len(sizes))
    return site.with_args({2: _merged(sizes, site.results[0].shape[part], site.shape()[part])})


def _normalised_shape(site: Site) -> Node:
    return site.with_args({1: site.shape()[-len(site.node.args[1]) :]})


def _groups(place: int, name: str) -> Rewrite:
    def rewrite(site: Site) -> Node:
        if (site.node.name, name) not in site.wiring.findings.counts:
            return site.node
        return site.with_args({place: site.counted(name)})

    return rewrite


def _parts(site: Site) -> Node:
    """Chunks and equal parts become parts of given sizes."""
    place = 2 if len(site.node.args) > 2 else None
    dim = int(site.node.args[place] if place else site.node.kwargs.get("dim", 0)) % site.args[0].rank
    sizes = [site.kept.count(part[dim]) for part in site.results]
    return replace(site.node, op="aten.split_with_sizes.default", args=(site.node.args[0], sizes, dim), kwargs={})


def _range(site: Site) -> Node:
    x, args = site.args[0], site.node.args
    dim = int(args[1] if len(args) > 1 else 0) % x.rank
    start, stop, _ = slice(*(args[2:4] if len(args) > 2 else (None, None))).indices(x[dim].size)
    count = site.kept.before
    if site.kept.count(x[dim]) == x[dim].size:
        return site.node
    return replace(site.node, args=(args[0], dim, count(x[dim], start), count(x[dim], stop), *args[4:]))


def _narrow(site: Site) -> Node:
    x, args = site.args[0], site.node.args
    dim, start = int(args[1]) % x.rank, int(args[2])
    first, last = site.kept.before(x[dim], start), site.kept.before(x[dim], start + int(args[3]))
    return site.with_args({2: first, 3: last - first})


def _scale(site: Site) -> Node:
    """Attention divides by the square root of a head's size: of the original size, whatever is left of it."""
    if site.node.kwargs.get("scale") is not None:
        return site.node
    scale = 1 / math.sqrt(site.args[0].shape[-1])
    return replace(site.node, kwargs={**site.node.kwargs, "scale": scale})


def _padding(site: Site) -> Node:
    x, result, amounts = site.args[0], site.results[0], list(site.node.args[1])
    for k in range(len(amounts) // 2):
        dim = x.rank - 1 - k
        left, right = amounts[2 * k], amounts[2 * k + 1]
        if site.kept.count(result[dim]) != result[dim].size:
            amounts[2 * k] = site.kept.before(result[dim], left)
            amounts[2 * k + 1] = site.kept.count(result[dim]) - site.kept.before(result[dim], result[dim].size - right)
    return site.with_args({1: amounts})


_KINDS: tuple[tuple[Rewrite, str], ...] = (
    (_sizes, "view reshape _unsafe_view expand broadcast_to"),
    (_repeats, "repeat tile"),
    (_unflattened, "unflatten"),
    (_created(0), "zeros ones full"),
    (_created(1), "new_zeros new_ones new_full"),
    (_normalised_shape, "layer_norm rms_norm"),
    (_groups(6, "groups"), "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"),
    (_groups(1, "num_groups"), "group_norm"),
    (_groups(1, "groups"), "channel_shuffle native_channel_shuffle"),
    (_parts, "chunk split split_with_sizes unsafe_split tensor_split"),
    (_range, "slice"),
    (_narrow, "narrow"),
    (_scale, "scaled_dot_product_attention"),
    (_padding, "constant_pad_nd pad"),
)
REWRITES: dict[str, Rewrite] = {name: rewrite for rewrite, names in _KINDS for name in names.split()}


def rewritten(graph: Graph, values: Mapping[str, Any], wiring: Wiring, kept: Kept) -> tuple[Node, ...]:
    """The nodes of a graph with their written sizes adapted to what is left."""
    return tuple(rewrite_node(node, values, wiring, kept) for node in graph.nodes)


def rewrite_node(node: Node, values: Mapping[str, Any], wiring: Wiring, kept: Kept) -> Node:
    """One node with its written sizes adapted; the same node if nothing of its tensors goes."""
    if node.kind not in REWRITES:
        return node
    args = replace_refs(node.args, lambda ref: values[ref.name])
    result = values[node.name]
    results = result if isinstance(result, tuple) else (result,)
    if not any(isinstance(axes, Axes) and kept.touches(axes) for axes in (*results, *args)):
        return node
    return REWRITES[node.kind](Site(node, args, results, wiring, kept))
