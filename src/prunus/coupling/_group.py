"""Coupled channels as plain data: which entries of which tensors come and go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

import numpy as np

from prunus.labels.labels import Labels
from prunus.labels.union_find import Ids

Positions: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Member:
    """A dimension of one parameter or buffer that takes part in a group.

    indices: for each unit of the group, its positions along `dim`.
    """

    parameter: str
    dim: int
    indices: Positions

    @property
    def layer(self) -> str:
        """The module that holds the tensor, or the tensor itself where the model holds it directly."""
        return self.parameter.rpartition(".")[0] or self.parameter


@dataclass(frozen=True)
class Extent:
    """A number that counts units, such as `groups` of a convolution: each unit accounts for its places in it.

    call: which of the operations in the module has it.
    """

    module: str
    call: str
    argument: str
    count: int
    indices: Positions


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are pruned unit by unit, each unit as a whole.

    Attributes:
        name: of the first layer that makes them, in order of execution.
        units: how many there are.
        producers: entries that make the channel: rows of weights, biases, scale and shift of norms. With all of them
            zero the channel is zero, or no one reads it.
        consumers: entries that read it: input slices of the layers that follow.
        buffers: running means and the like, which are cut along but have no score.
        divisors: what something is divided by, such as variances; cut along, but never set to zero.
        extents: numbers that count units, such as `groups` of a convolution.
        normalised: layers that average over these channels, as layer normalisation does, or take the largest: to remove
            a channel is then not the same as to zero it.
        multiple: the units that are left are a multiple of this, since an operation takes no other number of channels.
        protected: why no unit may be removed ("model output", "named by the user", the operation that can't be
            followed); None if all but one may.
    """

    name: str
    units: int
    producers: tuple[Member, ...]
    consumers: tuple[Member, ...]
    buffers: tuple[Member, ...] = ()
    divisors: tuple[Member, ...] = ()
    extents: tuple[Extent, ...] = ()
    normalised: tuple[str, ...] = ()
    multiple: int = 1
    protected: str | None = None

    @property
    def width(self) -> int:
        """Channels per unit in the layer that makes it first: a head's size, or 1."""
        return max(1, len(self.producers[0].indices[0]))

    @property
    def members(self) -> tuple[Member, ...]:
        """All tensors of the group that may be set to zero."""
        return self.producers + self.consumers + self.buffers


K = TypeVar("K")


class AtomPositions:
    """Atoms and their positions along a dimension. Many dimensions have the same: those of a layer and of its norm.

    positions, atoms: each position with each of its atoms, in order.
    """

    def __init__(self, positions: Ids, atoms: Ids) -> None:
        # Stable, so that the positions of one atom stay in order.
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
            # Nearly always each atom has one position, and no slices have to be made.
            if (ends == begins + 1).all():
                self._known[key] = tuple(zip(self._positions[begins].tolist(), strict=True))
            else:
                positions, ranges = self._positions.tolist(), zip(begins.tolist(), ends.tolist(), strict=True)
                self._known[key] = tuple(tuple(positions[a:b]) for a, b in ranges)
        return self._known[key]


def atom_positions(labels: Labels, roots: Mapping[K, Ids]) -> dict[K, AtomPositions]:
    """The atoms along a number of dimensions, whose labels are roots."""
    known: dict[bytes, AtomPositions] = {}
    found = {}
    for place, ids in roots.items():
        key = ids.tobytes()
        if key not in known:
            known[key] = AtomPositions(*labels.spread(ids))
        found[place] = known[key]
    return found
