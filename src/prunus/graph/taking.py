"""Which labels the tensors of a layer take over when they are read: those that its rule would join them with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from prunus.graph.node import Node, Ref, Shape

Meeting: TypeAlias = tuple[int, int, int, int]
"""An argument and its dimension, and another argument and the dimension of that, which have the same channels."""

Sizes: TypeAlias = Callable[[Ref], Shape]


def meetings(node: Node, sizes: Sizes) -> Iterator[Meeting]:
    """Where tensors of a layer meet its input, or each other, whatever they hold; none for operations not in the table.

    A dimension of the other argument may be counted from the last.
    """
    row = LAYERS.get(node.kind)
    if row is not None and not node.kwargs:
        args = node.args
        yield from (each for each in row(node, sizes) if len(args) > each[0] and isinstance(args[each[0]], Ref))


def _convolution(node: Node, sizes: Sizes) -> Iterator[Meeting]:
    weight, groups = sizes(node.args[1]), node.args[6] if len(node.args) > 6 else 1
    channels = 1 - len(weight)
    if groups == 1:
        yield 1, 1, 0, channels
    elif groups == weight[0] == sizes(node.args[0])[channels]:
        yield 1, 0, 0, channels
    yield 2, 0, 1, 0


def _linear(node: Node, sizes: Sizes) -> Iterator[Meeting]:
    if len(sizes(node.args[1])) == 2:
        yield 1, 1, 0, -1
        yield 2, 0, 1, 0


def _batch_norm(node: Node, sizes: Sizes) -> Iterator[Meeting]:
    if len(sizes(node.args[0])) > 1:
        for place in (1, 2, 3, 4):
            yield place, 0, 0, 1


def _layer_norm(node: Node, _: Sizes) -> Iterator[Meeting]:
    if len(node.args[1]) == 1:
        yield 2, 0, 0, -1
        yield 3, 0, 0, -1


WINDOWED = frozenset(("conv1d", "conv2d", "conv3d"))
"""Operations of whose weights nothing can be removed beyond the second dimension."""

LAYERS: dict[str, Callable[[Node, Sizes], Iterator[Meeting]]] = {
    **dict.fromkeys(WINDOWED, _convolution),
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
}
