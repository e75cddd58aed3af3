"""What one row of the table of operations says, and what rows of several operations have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from prunus.graph.node import Node
from prunus.labels.axes import Axes
from prunus.labels.labels import KeepMask
from prunus.labels.union_find import Ids
from prunus.ops.operation import Operation

LabelRule: TypeAlias = Callable[[Operation], Axes | tuple[Axes, ...]]
"""An operation whose arguments have labels -> the labels of its results; what can't be removed is pinned on the way."""

Macs: TypeAlias = Callable[..., int]
"""Shape of the result, and of each positional argument or None where it is no tensor -> MACs."""

Samples: TypeAlias = Literal["kept", "placed", "unknown"]


@dataclass(frozen=True)
class Site:
    """A node of the traced network, with the labels of its arguments and results, and what is left of them.

    counts: (node, argument) -> the labels of which the argument is the number.
    """

    node: Node
    args: tuple[Any, ...]
    results: tuple[Axes, ...]
    counts: Mapping[tuple[str, str], Ids]
    kept: KeepMask

    def shape(self) -> list[int]:
        """What is left of the only result."""
        return list(self.kept.shape(self.results[0]))

    def counted(self, argument: str) -> int | None:
        """What is left of a number that counts channels; None where it counts none."""
        ids = self.counts.get((self.node.name, argument))
        return None if ids is None else int(self.kept.mask(ids).sum())

    def with_args(self, changed: Mapping[int, Any]) -> Node:
        """The node with some positional arguments exchanged."""
        args = list(self.node.args)
        for place, value in changed.items():
            args[place] = value
        return replace(self.node, args=tuple(args))


Result: TypeAlias = Callable[..., Tensor | None]
"""The operation's arguments, tensors on the meta device among them -> its result there, or None where torch has to say
it: on arguments that are wrong, or of other kinds than the function knows.
"""

Rewrite: TypeAlias = Callable[[Site], Node]
"""A node of which channels go -> the node with the sizes that are written in its arguments adapted."""


def no_macs(*_: Any) -> int:
    """The operation multiplies and sums up nothing."""
    return 0


@dataclass(frozen=True)
class OpRow:
    """All that is known of the operations of these names, spelled as `Node.kind` spells them.

    labels: how labels of channels get from the arguments to the results.
    rewrite: how sizes written in the arguments follow from the channels that are left; None where there are none.
    macs: MACs from shapes; None where only a run of the operation can tell.
    is_view: whether the result may share its memory with the first argument, so that writing into one changes both.
    result: the result on tensors without values. Torch's own functions for the meta device import sympy and the
    compiler when the first is called, which takes more than a second; the commonest operations do without.
    samples: `kept` where the first dimension is that of the first argument even if another one is as long; `placed`
    where rows are taken or put at given positions, which may be samples; `unknown` otherwise.
    """

    names: str
    labels: LabelRule
    rewrite: Rewrite | None = None
    macs: Macs | None = no_macs
    is_view: bool = False
    result: Result | None = None
    samples: Samples = "unknown"


def bare(like: Tensor, size: Sequence[int]) -> Tensor:
    """A tensor of that size and another's type."""
    return torch.empty(size, dtype=like.dtype, device="meta")


def alike(*tensors: Tensor | None) -> bool:
    """Whether those that are there are floating-point, and of one type."""
    kinds = {tensor.dtype for tensor in tensors if tensor is not None}
    return len(kinds) == 1 and kinds.pop().is_floating_point


def merged(written: Sequence[Any], before: Sequence[int], after: Sequence[int]) -> list[Any]:
    """Written sizes with those exchanged that change; -1 and sizes computed elsewhere stay.

    >>> merged([2, -1, 8], (2, 6, 8), (2, 6, 4))
    [2, -1, 4]
    """
    return [
        size if not isinstance(size, int) or size == -1 or was == now else now
        for size, was, now in zip(written, before, after, strict=True)
    ]


def sizes_at(place: int) -> Rewrite:
    """The argument at this place is the shape of the result."""

    def rewrite(site: Site) -> Node:
        return site.with_args({place: merged(site.node.args[place], site.results[0].shape, site.shape())})

    return rewrite


def count_at(place: int, argument: str) -> Rewrite:
    """The argument at this place is a number of groups."""

    def rewrite(site: Site) -> Node:
        count = site.counted(argument)
        return site.node if count is None else site.with_args({place: count})

    return rewrite
