"""One operation as its rule sees it, and what a rule can do: join, pin, contract, count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from prunus.graph.node import Node, Shape, TensorType
from prunus.labels.axes import Axes, Axis, Origins
from prunus.labels.labels import Labels
from prunus.labels.union_find import Ids


@dataclass
class CouplingFindings:
    """What the rules found out, besides labels.

    consumed: dimensions of parameters over which an activation is summed up: the input side of a layer.
    normalised: nodes that average over channels, or take the largest, so that to zero one is not to remove it.
    counts: (node, argument) -> labels; the argument is the number of these that are kept.
    parts: labels of the parts that a dimension is taken apart into; none of them may be emptied.
    divisors: dimensions of tensors that something is divided by; they are never set to zero.
    aligned: (node, argument or result, multiple) -> labels; a multiple of that number of these must be left.
    """

    consumed: set[tuple[str, int]] = field(default_factory=set)
    normalised: dict[str, list[Ids]] = field(default_factory=dict)
    counts: dict[tuple[str, str], Ids] = field(default_factory=dict)
    parts: list[Ids] = field(default_factory=list)
    divisors: set[tuple[str, int]] = field(default_factory=set)
    aligned: dict[tuple[str, str, int], Ids] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """A node whose references are replaced by the axes of their values."""

    node: Node
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    labels: Labels
    findings: CouplingFindings
    used: frozenset[int] = frozenset()  # which of several results someone reads

    @property
    def shape(self) -> Shape:
        """Shape of the only result."""
        return self.shapes[0]

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of all results that are tensors."""
        output = self.node.output
        return tuple(t.shape for t in (output if isinstance(output, tuple) else (output,)) if isinstance(t, TensorType))

    def get(self, place: int, default: Any = None, name: str = "") -> Any:
        """A positional argument, or the default where it is left out."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def tensors(self) -> list[Axes]:
        """All arguments that are tensors, those in lists as well."""
        return list(_tensors((self.args, self.kwargs)))

    def dimension(self, place: int, default: int, rank: int, name: str = "dim") -> int:
        """A dimension argument, counted from the front."""
        return int(self.get(place, default, name)) % max(rank, 1)

    def join(self, one: Axis, other: Axis) -> None:
        """The two dimensions have the same channels."""
        self.labels.join_all(one.labels, other.labels, f"joined at {self.node} with positions that can't be removed")

    def pin(self, axes: Iterable[Axis], why: str) -> None:
        """Nothing of these dimensions can be removed."""
        for axis in axes:
            if not axis.is_kept:
                self.labels.pin(axis.labels, f"{why}: {self.node}")

    def contract(self, axes: Sequence[Axis]) -> None:
        """Products of these dimensions are summed up: equal channels, of which one factor is zero where removed."""
        for axis in axes[1:]:
            self.join(axes[0], axis)
        # A removed channel adds nothing to the sum if one of the factors is zero there. Behind a sigmoid, say, neither
        # is: masking would then be something else than removing.
        if not any(axis.holds_zeros() for axis in axes):
            self.pin(axes, "a sum over channels that are not zero when their weights are")
        for axis in axes:
            self.findings.consumed |= axis.origins

    def normalise(self, axes: Iterable[Axis]) -> None:
        """An average, or the largest, is taken over these dimensions."""
        if found := [axis.labels for axis in axes if not axis.is_kept]:
            self.findings.normalised.setdefault(self.node.name, []).extend(found)

    def part(self, axis: Axis) -> Axis:
        """The dimension is a part of a longer one."""
        if not axis.is_kept:
            self.findings.parts.append(axis.labels)
        return axis

    def align(self, argument: str, axis: Axis, multiple: int) -> None:
        """The operation takes no other sizes of this dimension than multiples of that number."""
        if axis.size % multiple == 0 and not axis.is_kept:
            self.findings.aligned[self.node.name, argument, multiple] = axis.labels

    def count(self, argument: str, axis: Axis) -> None:
        """The argument is the number of positions of this dimension."""
        self.findings.counts[self.node.name, argument] = axis.labels


def combined_origins(axes: Iterable[Axis], operands: Iterable[Axes]) -> Origins:
    """Origins of a result: those of its parts, if nothing but parameters took part."""
    if all(any(axis.origins for axis in operand.axes) for operand in operands):
        return frozenset().union(*(axis.origins for axis in axes))
    return frozenset()


def _tensors(value: Any) -> Iterator[Axes]:
    if isinstance(value, Axes):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
