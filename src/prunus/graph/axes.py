"""What is known of a tensor: for each dimension, the label of every position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from prunus.graph.compounds import KEPT
from prunus.graph.forest import Ids
from prunus.graph.node import Shape

Origins = frozenset[tuple[str, int]]  # (tensor of the model, its dimension)


@dataclass(frozen=True)
class Axis:
    """One dimension of a tensor.

    labels: one per position.
    vanishes: the tensor is zero wherever a removed channel's parameters are zero.
    origins: dimensions of parameters that this one is made of, as long as no activation took part.
    """

    labels: Ids
    vanishes: bool = True
    origins: Origins = frozenset()

    @property
    def size(self) -> int:
        """Number of positions."""
        return len(self.labels)

    @property
    def is_kept(self) -> bool:
        """Whether nothing of it can be removed by itself."""
        labels = self.labels
        if len(labels) and labels.item(0) != KEPT:
            return False
        return labels is kept_axis(len(labels)).labels or not labels.any()

    def take(self, positions: Ids) -> Axis:
        """The axis of a selection of positions, in their order."""
        return Axis(self.labels[positions], self.vanishes, self.origins)

    def vanishing(self, vanishes: bool) -> Axis:
        """The same, where the tensor is zero, or is not, wherever a removed channel's parameters are."""
        return Axis(self.labels, vanishes, self.origins)

    def fills(self) -> bool:
        """Whether zeros at removed positions can be relied on: none can be removed, or all vanish."""
        return self.vanishes or self.is_kept


@dataclass(frozen=True)
class Axes:
    """All dimensions of one tensor."""

    axes: tuple[Axis, ...]

    @cached_property
    def shape(self) -> Shape:
        """Size of each dimension."""
        return tuple([len(axis.labels) for axis in self.axes])

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.axes)

    def __getitem__(self, dimension: int) -> Axis:
        return self.axes[dimension]

    def with_axis(self, dimension: int, axis: Axis) -> Axes:
        """The same with one dimension exchanged."""
        axes = list(self.axes)
        axes[dimension] = axis
        return Axes(tuple(axes))

    def untied_zero(self) -> Axes:
        """The same, but no longer zero at removed positions."""
        return Axes(tuple(Axis(axis.labels, False, axis.origins) if axis.vanishes else axis for axis in self.axes))

    def activation(self) -> Axes:
        """The same, but no longer made of parameters alone."""
        return Axes(tuple(Axis(axis.labels, axis.vanishes) if axis.origins else axis for axis in self.axes))


@cache
def kept_axis(size: int) -> Axis:
    """A dimension of which nothing can be removed."""
    labels = np.full(size, KEPT, dtype=np.int64)
    labels.setflags(write=False)
    return Axis(labels)


@cache
def kept(shape: Shape) -> Axes:
    """A tensor of which nothing can be removed."""
    return Axes(tuple(kept_axis(size) for size in shape))
