"""What is known of a tensor: for each dimension, the label of every position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from prunus.graph.node import Shape
from prunus.labels.label_sets import KEPT
from prunus.labels.union_find import Ids

Origins = frozenset[tuple[str, int]]  # (tensor of the model, its dimension)


@dataclass(frozen=True)
class Axis:
    """One dimension of a tensor.

    labels: one per position.
    zero_when_removed: the tensor is zero wherever a removed channel's parameters are zero.
    origins: dimensions of parameters that this one is made of, as long as no activation took part.
    repeats: it was single and is expanded, so that all its positions hold the same number.
    batch: it counts the samples that the network was given.
    """

    labels: Ids
    zero_when_removed: bool = True
    origins: Origins = frozenset()
    repeats: bool = False
    batch: bool = False

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
        return Axis(self.labels[positions], self.zero_when_removed, self.origins)

    def with_zero(self, zero_when_removed: bool) -> Axis:
        """The axis, where the tensor is zero, or is not, wherever a removed channel's parameters are."""
        return Axis(self.labels, zero_when_removed, self.origins)

    def holds_zeros(self) -> bool:
        """Whether zeros at removed positions can be relied on: none can be removed, or all vanish."""
        return self.zero_when_removed or self.is_kept


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
        """The axes with one of them exchanged."""
        axes = list(self.axes)
        axes[dimension] = axis
        return Axes(tuple(axes))

    def untied_zero(self) -> Axes:
        """The axes, no longer zero at removed positions."""
        return Axes(
            tuple(
                Axis(axis.labels, False, axis.origins, batch=axis.batch) if axis.zero_when_removed else axis
                for axis in self.axes
            )
        )

    def activation(self) -> Axes:
        """The axes, no longer made of parameters alone."""
        return Axes(
            tuple(
                Axis(axis.labels, axis.zero_when_removed, batch=axis.batch) if axis.origins else axis
                for axis in self.axes
            )
        )


@cache
def kept_axis(size: int) -> Axis:
    """A dimension of which nothing can be removed."""
    labels = np.full(size, KEPT, dtype=np.int64)
    labels.setflags(write=False)
    return Axis(labels)


@cache
def batch_axis(size: int) -> Axis:
    """The dimension of the samples, of which nothing can be removed either."""
    return Axis(kept_axis(size).labels, batch=True)


@cache
def kept(shape: Shape) -> Axes:
    """A tensor of which nothing can be removed."""
    return Axes(tuple(kept_axis(size) for size in shape))
