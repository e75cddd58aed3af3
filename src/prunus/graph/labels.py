"""Labels: which channel a position of a tensor belongs to, and which channels must go together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]
Atoms: TypeAlias = frozenset[int]

KEPT = 0  # the label of every position that can't be removed by itself: pixels, tokens, batch, the model's inputs


class Labels:
    """A union-find over labels in which a label may also stand for several others at once.

    A position of a tensor exists exactly as long as all atoms of its label do. A channel is one atom; the row of a
    projection that belongs to head 2 and dimension 5 has two. Joining two labels makes them the same.

    single: names of splits that make atoms for their longest axis only; `conflicts` collects the names of splits that
    should have, because what they made could not be matched with another split.

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
        self.single = frozenset(single)
        self.conflicts: set[str] = set()
        self._parent = np.zeros(1024, dtype=np.int64)
        self._size = 1
        self._parts: dict[int, Atoms] = {}  # label -> the labels it stands for
        self._composed = np.zeros(1024, dtype=np.bool_)  # label -> whether it stands for others
        self._fixed = np.zeros(1024, dtype=np.bool_)  # label -> whether it is an atom that is pinned
        self._interned: dict[Atoms, int] = {}
        self._known: dict[int, Atoms] = {}  # label -> its atoms, until labels are joined again
        self._pinned: dict[int, str] = {}  # atom -> reason
        self.axis: dict[int, tuple[str, int]] = {}  # atom made by splitting a dimension -> (which split, which axis)

    def fresh(self, count: int) -> Ids:
        """New atoms."""
        start, self._size = self._size, self._size + count
        if self._size > len(self._parent):
            longer = max(self._size, 2 * len(self._parent))
            self._parent = np.resize(self._parent, longer)
            self._composed, self._fixed = np.resize(self._composed, longer), np.resize(self._fixed, longer)
        ids = np.arange(start, self._size, dtype=np.int64)
        self._parent[start : self._size] = ids
        self._composed[start : self._size] = self._fixed[start : self._size] = False
        return ids

    def roots(self, ids: Ids) -> Ids:
        """The label that each label was last joined to."""
        found = self._parent[ids]
        while not np.array_equal(found, above := self._parent[found]):
            found = above
        self._parent[ids] = found
        return found

    def root(self, label: int) -> int:
        """`roots` of one label."""
        parent = self._parent
        while (above := int(parent[label])) != label:
            parent[label] = parent[above]
            label = above
        return label

    def atoms(self, label: int) -> Atoms:
        """The atoms that a position needs to exist; empty for `KEPT`."""
        known = self._known.get(label)
        if known is None:
            known = self._known[label] = self._atoms(self.root(label))
        return known

    def _atoms(self, root: int) -> Atoms:
        if root == KEPT:
            return frozenset()
        parts = self._parts.get(root)
        if parts is None:
            return frozenset((root,))
        atoms: Atoms = frozenset().union(*(self.atoms(part) for part in parts))
        self._parts[root] = atoms
        return atoms

    @property
    def size(self) -> int:
        """How many labels there are."""
        return self._size

    def spread(self, ids: Ids) -> tuple[Ids, Ids]:
        """Every position with each of its atoms: two arrays, in order; positions of `KEPT` are not among them."""
        roots = self.roots(ids)
        if not self._composed[roots].any():
            positions = np.flatnonzero(roots)
            return positions, roots[positions]
        atoms = {label: sorted(self.atoms(label)) for label in np.unique(roots).tolist()}
        pairs = [(position, atom) for position, label in enumerate(roots.tolist()) for atom in atoms[label]]
        positions, each = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return positions, each

    def without(self, removed: Ids) -> NDArray[np.bool_]:
        """Label -> whether a position with it is left once these atoms are gone; for labels that are roots."""
        left = np.ones(self._size, dtype=np.bool_)
        left[removed] = False
        gone = frozenset(removed.tolist()) if self._parts else frozenset()
        for label in list(self._parts):
            left[label] = gone.isdisjoint(self.atoms(label))
        return left

    def free(self, label: int) -> Atoms:
        """The atoms of a position that may be removed."""
        return frozenset(atom for atom in self.atoms(label) if atom not in self._pinned)

    def all_of(self, labels: Iterable[int]) -> int:
        """The label that needs all atoms of these labels."""
        atoms: Atoms = frozenset().union(*(self.atoms(label) for label in labels))
        if not atoms:
            return KEPT
        if len(atoms) == 1:
            return next(iter(atoms))
        if atoms not in self._interned:
            label = int(self.fresh(1)[0])
            self._parts[label] = atoms
            self._composed[label] = True
            self._interned[atoms] = label
        return self._interned[atoms]

    def pinned(self, label: int) -> str | None:
        """Why a position can't be removed, or None."""
        return next((self._pinned[atom] for atom in self.atoms(label) if atom in self._pinned), None)

    def marked(self) -> set[int]:
        """Atoms that can't be removed, and those that were made by splitting a dimension."""
        return self._pinned.keys() | self.axis.keys()

    def pin(self, labels: Iterable[int], reason: str) -> None:
        """Forbid that any of these positions is removed."""
        for label in labels:
            for atom in self.atoms(label):
                self._pinned.setdefault(atom, reason)
                self._fixed[atom] = True

    def products(self) -> set[Atoms]:
        """All sets of several atoms that some position needs."""
        return {atoms for label in list(self._parts) if len(atoms := self.atoms(label)) > 1}

    def join_all(self, left: Ids, right: Ids, reason: str) -> None:
        """Make labels equal position by position; `reason` says why, should one of two be `KEPT`."""
        if left is right or np.array_equal(left, right):
            return
        left, right = self.roots(left), self.roots(right)
        if np.array_equal(left, right):
            return
        if self._untouched(left, right):
            self._become(left, right)
        elif self._untouched(right, left):
            self._become(right, left)
        else:
            pairs = np.unique(np.stack([left, right], axis=-1).reshape(-1, 2), axis=0)
            for one, other in pairs.tolist():
                self.join(one, other, reason)

    def _untouched(self, new: Ids, old: Ids) -> bool:
        """Whether the labels are distinct free atoms, so that they can simply take over the others."""
        new = new.ravel()
        if not (new.all() and old.all()) or self._composed[new].any() or self._fixed[new].any():
            return False
        if not (np.diff(new) > 0).all() and len(np.unique(new)) < new.size:
            return False
        among = np.zeros(self._size, dtype=np.bool_)
        among[old] = True
        for label in np.flatnonzero(among & self._composed[: self._size]).tolist():
            among[list(self.atoms(label))] = True
        return not among[new].any()

    def join(self, left: int, right: int, reason: str) -> None:
        """Make two labels equal.

        Where both stand for several atoms that can't be matched, all of them are pinned: a plan may then remove less
        than it could, but never anything wrong.
        """
        one, other = self.free(left), self.free(right)
        one, other = one - other, other - one
        if not one or not other:
            self.pin(one | other, self.pinned(left) or self.pinned(right) or reason)
        elif len(one) == 1:
            self._bind(next(iter(one)), other)
        elif len(other) == 1:
            self._bind(next(iter(other)), one)
        else:
            self.conflicts |= {self.axis[atom][0] for atom in one | other if atom in self.axis}
            self.pin(one | other, f"two ways to divide the same channels meet: {reason}")

    def _bind(self, atom: int, atoms: Atoms) -> None:
        self._become(atom, self.all_of(atoms))

    def _become(self, labels: int | Ids, others: int | Ids) -> None:
        self._parent[labels] = others
        self._known.clear()
