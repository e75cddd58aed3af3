"""Labels: which channel a position of a tensor belongs to, which channels must go together, and what is left of tensors
once some are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prunus.labels.axes import Axes, Axis
from prunus.labels.label_sets import Atoms, LabelSets
from prunus.labels.union_find import FIRST, Ids, longer


class Labels(LabelSets):
    """Labels that are joined where positions must go together, and pinned where they must stay.

    A position of a tensor exists exactly as long as all atoms of its label do. A channel is one atom; the row of a
    projection that belongs to head 2 and dimension 5 has two. Joining two labels makes them the same.

    single: names of splits that make atoms for their longest axis only; `conflicts` collects the names of splits that
    should have, because what they made could not be matched with another split.

    >>> from prunus.labels.label_sets import KEPT
    >>> labels = Labels()
    >>> a, b, c = labels.fresh(3)
    >>> labels.join(a, b, "an addition")
    >>> labels.atoms(a) == labels.atoms(b) != labels.atoms(c)
    True
    >>> labels.join(b, KEPT, "joined with the model's input")
    >>> labels.pinned(a)
    "joined with the model's input"
    """

    def __init__(self, single: Iterable[str] = ()) -> None:
        super().__init__()
        self.single = frozenset(single)
        self.conflicts: set[str] = set()
        self.axis: dict[int, tuple[str, int]] = {}  # atom made by splitting a dimension -> (which split, which axis)
        self._pinned: dict[int, str] = {}  # atom -> reason
        self._is_pinned = np.zeros(FIRST, dtype=np.bool_)

    def _grow(self, size: int) -> None:
        super()._grow(size)
        self._is_pinned = longer(self._is_pinned, size)

    @property
    def reasons(self) -> Mapping[int, str]:
        """Atom that can't be removed -> why."""
        return self._pinned

    def pin(self, ids: Ids, reason: str) -> None:
        """Forbid that any of these positions is removed."""
        atoms = self.spread(ids)[1]
        free = atoms[~self._is_pinned[atoms]]
        self._is_pinned[free] = True
        self._pinned.update(dict.fromkeys(free.tolist(), reason))

    def pinned(self, label: int) -> str | None:
        """Why a position can't be removed, or None."""
        return next((self._pinned[atom] for atom in self.atoms(label) if atom in self._pinned), None)

    def free(self, label: int) -> Atoms:
        """The atoms of a position that may be removed."""
        return self.atoms(label).difference(self._pinned)

    def may_go(self, atoms: Ids) -> bool:
        """Whether nothing speaks against removing any of these atoms."""
        return not self._is_pinned[atoms].any()

    def are_unrelated(self, ids: Ids) -> bool:
        """Whether all labels are atoms of their own that may be removed."""
        return self._are_free_atoms(self.roots(ids).reshape(-1))

    def _are_free_atoms(self, roots: Ids) -> bool:
        """Whether these are distinct atoms that may be removed."""
        some = np.count_nonzero
        if some(roots) < roots.size or some(self._is_compound[roots]) or some(self._is_pinned[roots]):
            return False
        return some(roots[1:] <= roots[:-1]) == 0 or len(np.unique(roots)) == roots.size

    def join_all(self, left: Ids, right: Ids, reason: str) -> None:
        """Make labels equal position by position; `reason` says why, should one of two be `KEPT`."""
        if left is right:
            return
        left, right = self.roots(left), self.roots(right)
        if left.shape == right.shape and not np.count_nonzero(left != right):
            return
        if self._may_become(left, right):
            self._become(left, right)
        elif self._may_become(right, left):
            self._become(right, left)
        else:
            pairs = np.unique(np.stack([left, right], axis=-1).reshape(-1, 2), axis=0)
            for one, other in pairs.tolist():
                self.join(one, other, reason)

    def _may_become(self, new: Ids, old: Ids) -> bool:
        """Whether the first are distinct free atoms, none of them the others', so that they can simply become these."""
        if np.count_nonzero(old) < old.size or not self._are_free_atoms(new.ravel()):
            return False
        is_taken = np.zeros(self._size, dtype=np.bool_)
        is_taken[old] = True
        if self._is_part[new].any():
            for label in np.flatnonzero(is_taken & self._is_compound[: self._size]).tolist():
                is_taken[list(self.atoms(label))] = True
        return not is_taken[new].any()

    def join(self, left: int, right: int, reason: str) -> None:
        """Make two labels equal.

        Where both stand for several atoms that can't be matched, all of them are pinned: a plan may then remove less
        than it could, but never anything wrong.
        """
        one, other = self.free(left), self.free(right)
        one, other = one - other, other - one
        if not one or not other:
            self._pin_atoms(one | other, self.pinned(left) or self.pinned(right) or reason)
        elif len(one) == 1:
            self._become(next(iter(one)), self.all_of(other))
        elif len(other) == 1:
            self._become(next(iter(other)), self.all_of(one))
        else:
            self.conflicts |= {self.axis[atom][0] for atom in one | other if atom in self.axis}
            self._pin_atoms(one | other, f"two ways to divide the same channels meet: {reason}")

    def _pin_atoms(self, atoms: Atoms, reason: str) -> None:
        self.pin(np.fromiter(atoms, dtype=np.int64, count=len(atoms)), reason)


class KeepMask:
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
        """The positions that are left, in order."""
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
