"""Where atoms are along one dimension of a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TypeVar

import numpy as np

from prunus.graph.forest import Ids
from prunus.graph.group import Positions
from prunus.graph.labels import Labels

K = TypeVar("K")


class Along:
    """Atoms and their positions along a dimension. Many dimensions have the same: those of a layer and of its norm.

    positions, atoms: each position with each of its atoms, in order.
    """

    def __init__(self, positions: Ids, atoms: Ids) -> None:
        self._order = np.argsort(atoms, kind="stable")
        self._sorted = atoms[self._order]
        self._positions = positions[self._order]
        self._known: dict[bytes, Positions] = {}

    @cached_property
    def _first(self) -> Ids:
        """Where another atom begins among the sorted ones."""
        begins = np.ones(len(self._sorted), dtype=np.bool_)
        begins[1:] = self._sorted[1:] != self._sorted[:-1]
        return np.flatnonzero(begins)

    @cached_property
    def _in_order(self) -> Ids:
        return np.argsort(self._order[self._first], kind="stable")

    @cached_property
    def unique(self) -> Ids:
        """The atoms, in order of their first positions."""
        return self._sorted[self._first][self._in_order]

    @cached_property
    def counts(self) -> Ids:
        """How often each of them is there."""
        ends = np.full(len(self._first), len(self._sorted))
        ends[:-1] = self._first[1:]
        return (ends - self._first)[self._in_order]

    def at(self, atoms: Ids) -> Positions:
        """The positions of each of these atoms."""
        key = atoms.tobytes()
        if key not in self._known:
            begins = np.searchsorted(self._sorted, atoms, "left")
            ends = np.searchsorted(self._sorted, atoms, "right")
            if (ends == begins + 1).all():
                self._known[key] = tuple(zip(self._positions[begins].tolist(), strict=True))
            else:
                positions, ranges = self._positions.tolist(), zip(begins.tolist(), ends.tolist(), strict=True)
                self._known[key] = tuple(tuple(positions[a:b]) for a, b in ranges)
        return self._known[key]


def alongs(labels: Labels, roots: Mapping[K, Ids]) -> dict[K, Along]:
    """The same for a number of dimensions, whose labels are roots."""
    known: dict[bytes, Along] = {}
    found = {}
    for place, ids in roots.items():
        key = ids.tobytes()
        if key not in known:
            known[key] = Along(*labels.spread(ids))
        found[place] = known[key]
    return found
