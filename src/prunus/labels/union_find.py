"""A union-find over numbers, in arrays: many of them are looked up, or joined, at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]

FIRST = 2**15
"""Numbers that there is room for at first."""


class UnionFind:
    """Numbers from 1 on, each by itself until it is joined to another; 0 is there from the beginning."""

    def __init__(self) -> None:
        self._parent = np.arange(FIRST, dtype=np.int64)
        self._size = 1
        self._is_settled = False  # whether the parent of every number is its root

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self._size

    def fresh(self, count: int) -> Ids:
        """New numbers, in a row."""
        start, self._size = self._size, self._size + count
        if self._size > len(self._parent):
            self._grow(max(self._size, 2 * len(self._parent)))
        return self._parent[start : self._size].copy()

    def _grow(self, size: int) -> None:
        self._parent = np.concatenate([self._parent, np.arange(len(self._parent), size, dtype=np.int64)])

    def roots(self, ids: Ids) -> Ids:
        """The number that each was last joined to."""
        found = self._parent[ids]
        if self._is_settled:
            return found
        above = self._parent[found]
        # All numbers go up one step a round, and remember how far they came, so that the next call takes fewer rounds.
        while np.count_nonzero(found != above):
            found, above = above, self._parent[above]
            self._parent[ids] = found
        return found

    def root(self, number: int) -> int:
        """`roots` of one."""
        parent = self._parent
        while (above := int(parent[number])) != number:
            parent[number] = parent[above]
            number = above
        return number

    def settle(self) -> None:
        """Find all roots at once, when no more are joined: from here on they are looked up."""
        every = np.arange(self._size)
        self._parent[every] = self.roots(every)
        self._is_settled = True

    def _become(self, roots: int | Ids, others: int | Ids) -> None:
        """Join these to others."""
        self._parent[roots] = others
        self._is_settled = False


def longer(marks: NDArray[Any], size: int) -> NDArray[Any]:
    """Marks with room for so many, of which the new ones are unset."""
    return np.concatenate([marks, np.zeros((size - len(marks), *marks.shape[1:]), dtype=marks.dtype)])


def all_roots(union_find: UnionFind, arrays: Sequence[Ids]) -> list[Ids]:
    """`UnionFind.roots` of many arrays, which are many times as many calls one by one."""
    ends = np.cumsum([0, *map(len, arrays)]).tolist()
    together = union_find.roots(np.concatenate([np.zeros(0, dtype=np.int64), *arrays]))
    return [together[begin:end] for begin, end in pairwise(ends)]
