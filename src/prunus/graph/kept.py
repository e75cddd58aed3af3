"""Which positions of every tensor are left once some channels are gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prunus.graph.axes import Axes, Axis
from prunus.graph.forest import Ids
from prunus.graph.labels import Labels


class Kept:
    """Answers questions about what is left after atoms are removed."""

    def __init__(self, labels: Labels, removed: Ids) -> None:
        self._labels = labels
        self._left = labels.without(removed)
        self._counted: dict[int, tuple[Ids, int]] = {}  # id of an array of labels -> the array, and how many are left
        self._positions: dict[int, tuple[Ids, Ids]] = {}  # the same, and which they are

    def mask(self, ids: Ids) -> NDArray[np.bool_]:
        """For each position, whether it is left."""
        return self._left[self._labels.roots(ids)]

    def count(self, axis: Axis) -> int:
        """How many positions of the dimension are left."""
        found = self._counted.get(id(axis.labels))
        if found is None:
            count = axis.size if axis.is_kept else int(np.count_nonzero(self.mask(axis.labels)))
            found = self._counted[id(axis.labels)] = axis.labels, count
        return found[1]

    def gone(self, arrays: Sequence[Ids]) -> list[int]:
        """How many positions of each of these arrays are not left."""
        ends = np.cumsum([len(ids) for ids in arrays])
        gone = np.cumsum(~self.mask(np.concatenate(arrays)))
        found: list[int] = np.diff(np.concatenate([[0], gone])[ends], prepend=0).tolist()
        return found

    def positions(self, ids: Ids) -> Ids:
        """Those of the positions that are left, in order."""
        found = self._positions.get(id(ids))
        if found is None:
            found = self._positions[id(ids)] = ids, np.flatnonzero(self.mask(ids))
        return found[1]

    def before(self, axis: Axis, position: int) -> int:
        """How many of the first `position` positions are left."""
        return int(self.mask(axis.labels[:position]).sum())

    def shape(self, axes: Axes) -> tuple[int, ...]:
        """The shape that is left of a tensor."""
        return tuple(self.count(axis) for axis in axes.axes)

    def touches(self, axes: Axes) -> bool:
        """Whether anything of the tensor goes."""
        return self.shape(axes) != axes.shape
