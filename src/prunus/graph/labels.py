"""Labels: which channel a position of a tensor belongs to, and which channels must go together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, pairwise, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]
Atoms: TypeAlias = frozenset[int]

NONE: Atoms = frozenset()
KEPT = 0  # the label of every position that can't be removed by itself: pixels, tokens, batch, the model's inputs

MOST = 4  # atoms of one label that are looked up for many labels at once: a part, a head and its dimension are three
UNUSED = (KEPT,) * MOST
FIRST = 2**15  # labels that there is room for at first


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
        self._parent = np.arange(FIRST, dtype=np.int64)
        self._touched = np.zeros(FIRST, dtype=np.bool_)  # atom -> whether anything has become of it
        self._size = 1
        self._is_settled = False  # whether the parent of every label is its root
        self._parts: dict[int, Atoms] = {}  # label -> the labels it stands for
        self._composed = np.zeros(FIRST, dtype=np.bool_)  # label -> whether it stands for others
        self._fixed = np.zeros(FIRST, dtype=np.bool_)  # label -> whether it is an atom that is pinned
        self._within = np.zeros(FIRST, dtype=np.bool_)  # label -> whether it may be among those that another stands for
        self._interned: dict[Atoms, int] = {}
        self._known: dict[int, Atoms] = {}  # label that stands for others -> its atoms, until one of them is joined
        self._made_of = np.zeros((FIRST, MOST), dtype=np.int64)  # label that stands for others -> what these were
        self._crowded = np.zeros(FIRST, dtype=np.bool_)  # label -> whether it stands for more than `MOST` others
        self._pinned: dict[int, str] = {}  # atom -> reason
        self.axis: dict[int, tuple[str, int]] = {}  # atom made by splitting a dimension -> (which split, which axis)

    def fresh(self, count: int) -> Ids:
        """New atoms."""
        start, self._size = self._size, self._size + count
        if self._size > len(self._parent):
            self._grow(max(self._size, 2 * len(self._parent)))
        return self._parent[start : self._size].copy()

    def _grow(self, size: int) -> None:
        """Room for so many labels, of which those that are not given out yet are atoms of their own."""
        more = size - len(self._parent)
        self._parent = np.concatenate([self._parent, np.arange(len(self._parent), size, dtype=np.int64)])
        self._composed, self._fixed, self._within, self._crowded, self._made_of, self._touched = (
            np.concatenate([marks, np.zeros((more, *marks.shape[1:]), dtype=marks.dtype)])
            for marks in (self._composed, self._fixed, self._within, self._crowded, self._made_of, self._touched)
        )

    def roots(self, ids: Ids) -> Ids:
        """The label that each label was last joined to."""
        found = self._parent[ids]
        if self._is_settled:
            return found
        above = self._parent[found]
        while np.count_nonzero(found != above):
            found, above = above, self._parent[above]
            self._parent[ids] = found
        return found

    def settle(self) -> None:
        """Find all roots at once, when no more labels are joined: from here on they are looked up."""
        every = np.arange(self._size)
        self._parent[every] = self.roots(every)
        self._is_settled = True

    def root(self, label: int) -> int:
        """`roots` of one label."""
        parent = self._parent
        while (above := int(parent[label])) != label:
            parent[label] = parent[above]
            label = above
        return label

    def atoms(self, label: int) -> Atoms:
        """The atoms that a position needs to exist; empty for `KEPT`."""
        root = self.root(label)
        known = self._known.get(root)
        if known is None:
            if root == KEPT:
                return NONE
            parts = self._parts.get(root)
            if parts is None:
                return frozenset((root,))
            known = self._parts[root] = self._known[root] = NONE.union(*(self.atoms(part) for part in parts))
        return known

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
        each = self.needed(roots)
        if each is None:
            lists = [sorted(self.atoms(label)) for label in roots.tolist()]
            positions = np.repeat(np.arange(len(lists)), [len(atoms) for atoms in lists])
            return positions, np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=len(positions))
        there = np.flatnonzero(each)
        return there // MOST, each.reshape(-1)[there]

    def needed(self, ids: Ids) -> Ids | None:
        """The atoms of each label in order, shape (..., `MOST`), behind as many `KEPT` as there are fewer of them.

        None if a label has more of them, or was made of what stands for others now.
        """
        roots = self.roots(ids)
        parts = self.roots(self._made_of[roots])
        if self._composed[parts].any() or self._crowded[roots].any():
            return None
        parts[..., -1] = np.where(self._composed[roots], parts[..., -1], roots)
        parts.sort(axis=-1)
        parts[..., 1:][parts[..., 1:] == parts[..., :-1]] = KEPT
        parts.sort(axis=-1)
        return parts

    def without(self, removed: Ids) -> NDArray[np.bool_]:
        """Label -> whether a position with it is left once these atoms are gone; for labels that are roots."""
        left = np.ones(self._size, dtype=np.bool_)
        left[removed] = False
        composed = self._composed_roots()
        if (needed := self.needed(composed)) is not None:
            left[composed] = left[needed].all(axis=1)  # that of none, `KEPT`, is always left
        else:
            gone = frozenset(removed.tolist())
            left[composed] = [gone.isdisjoint(self.atoms(label)) for label in composed.tolist()]
        return left

    def _composed_roots(self) -> Ids:
        """All labels that stand for others and were joined to no other one."""
        return np.unique(self.roots(np.fromiter(self._parts, dtype=np.int64, count=len(self._parts))))

    def free(self, label: int) -> Atoms:
        """The atoms of a position that may be removed."""
        return self.atoms(label).difference(self._pinned)

    def all_of(self, labels: Iterable[int]) -> int:
        """The label that needs all atoms of these labels."""
        return int(self.all_of_each([tuple(labels)])[0])

    def all_of_each(self, many: Sequence[Collection[int]]) -> Ids:
        """For each of these collections of labels the one that needs all their atoms."""
        found, start = [], self._size
        new: list[Atoms] = []
        known = {label: self.atoms(label) for label in set(chain.from_iterable(many))}
        for labels in many:
            atoms = NONE.union(*map(known.__getitem__, labels))
            if len(atoms) < 2:
                label = next(iter(atoms), KEPT)
            elif (label := self._interned.get(atoms, KEPT)) == KEPT:
                label = self._interned[atoms] = start + len(new)
                new.append(atoms)
            found.append(label)
        self._compose(new)
        return np.array(found, dtype=np.int64)

    def all_pairs(self, one: Ids, other: Ids) -> Ids:
        """`all_of` for each of two times two atoms that were never needed together; shape (ones, others)."""
        new = list(map(frozenset, product(one.tolist(), other.tolist())))
        fresh = self._compose(new)
        self._interned.update(zip(new, fresh.tolist(), strict=True))
        return fresh.reshape(len(one), len(other))

    def _compose(self, new: Sequence[Atoms]) -> Ids:
        """New labels that stand for several atoms each."""
        fresh = self.fresh(len(new))
        self._parts.update(zip(fresh.tolist(), new, strict=True))
        self._composed[fresh] = self._touched[fresh] = True
        parts = list(NONE.union(*new))
        self._within[parts] = self._touched[parts] = True
        self._crowded[fresh] = [len(atoms) > MOST for atoms in new]
        padded = [(*atoms, *UNUSED)[:MOST] for atoms in new]
        self._made_of[fresh] = np.array(padded, dtype=np.int64).reshape(-1, MOST)
        return fresh

    def pinned(self, label: int) -> str | None:
        """Why a position can't be removed, or None."""
        if not self._composed[label] and self._parent[label] == label:
            return self._pinned.get(label)
        return next((self._pinned[atom] for atom in self.atoms(label) if atom in self._pinned), None)

    @property
    def reasons(self) -> Mapping[int, str]:
        """Atom that can't be removed -> why."""
        return self._pinned

    def pin(self, ids: Ids, reason: str) -> None:
        """Forbid that any of these positions is removed."""
        atoms = self.spread(ids)[1]
        free = atoms[~self._fixed[atoms]]
        self._fixed[free] = self._touched[free] = True
        self._pinned.update(dict.fromkeys(free.tolist(), reason))

    def _pin_atoms(self, atoms: Atoms, reason: str) -> None:
        self.pin(np.fromiter(atoms, dtype=np.int64, count=len(atoms)), reason)

    def meeting(self, home: Ids) -> set[frozenset[int]]:
        """Which families have atoms that some position needs at once. home: atom -> its family, or -1."""
        composed = self._composed_roots()
        if (needed := self.needed(composed)) is not None:
            found = _distinct_rows(np.where(needed == KEPT, -1, home[needed])).tolist()
        else:
            found = [home[list(self.atoms(label))].tolist() for label in composed.tolist()]
        return {frozenset(families) - {-1} for families in found}

    def are_unrelated(self, ids: Ids) -> bool:
        """Whether all labels are atoms of their own that may be removed."""
        roots = self.roots(ids).reshape(-1)
        special = self._composed[roots] | self._fixed[roots] | (roots == KEPT)
        return not special.any() and len(np.unique(roots)) == len(roots)

    def may_go(self, atoms: Ids) -> bool:
        """Whether nothing speaks against removing any of these atoms."""
        return not self._fixed[atoms].any()

    def join_all(self, left: Ids, right: Ids, reason: str) -> None:
        """Make labels equal position by position; `reason` says why, should one of two be `KEPT`."""
        if left is right:
            return
        left, right = self.roots(left), self.roots(right)
        if left.shape == right.shape and not np.count_nonzero(left != right):
            return
        if self._untouched(left, right):
            self._become(left, right)
        elif self._untouched(right, left):
            self._become(right, left)
        else:
            pairs = np.unique(np.stack([left, right], axis=-1).reshape(-1, 2), axis=0)
            for one, other in pairs.tolist():
                self.join(one, other, reason)

    def _are_new(self, new: Ids, old: Ids) -> bool:
        """Whether the first are new atoms in a row, of which nothing has become yet, and the others none of them."""
        begin, last = new.item(0), new.item(-1)
        is_row = last - begin == new.size - 1 and new.ndim == 1 and not np.count_nonzero(new[1:] <= new[:-1])
        if begin == KEPT or not is_row or np.count_nonzero(self._touched[begin : last + 1]):
            return False
        lowest = int(old.min())
        return lowest > last or (lowest > KEPT and int(old.max()) < begin)

    def _untouched(self, new: Ids, old: Ids) -> bool:
        """Whether the labels are distinct free atoms, so that they can simply take over the others."""
        if new.size and self._are_new(new, old):
            return True
        new, some = new.ravel(), np.count_nonzero
        if some(new) < new.size or some(old) < old.size or some(self._composed[new]) or some(self._fixed[new]):
            return False
        rising = some(new[1:] <= new[:-1]) == 0
        if not rising and len(np.unique(new)) < new.size:
            return False
        alone = not some(self._within[new])
        if alone and rising and (old.max() < new[0] or old.min() > new[-1]):
            return True
        among = np.zeros(self._size, dtype=np.bool_)
        among[old] = True
        if alone:
            return not among[new].any()
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
            self._pin_atoms(one | other, self.pinned(left) or self.pinned(right) or reason)
        elif len(one) == 1:
            self._bind(next(iter(one)), other)
        elif len(other) == 1:
            self._bind(next(iter(other)), one)
        else:
            self.conflicts |= {self.axis[atom][0] for atom in one | other if atom in self.axis}
            self._pin_atoms(one | other, f"two ways to divide the same channels meet: {reason}")

    def _bind(self, atom: int, atoms: Atoms) -> None:
        self._become(atom, self.all_of(atoms))

    def _become(self, labels: int | Ids, others: int | Ids) -> None:
        self._parent[labels] = others
        self._touched[labels] = True
        self._is_settled = False
        if self._within[labels].any():
            self._within[others] = True
            self._known.clear()


def _distinct_rows(rows: Ids) -> Ids:
    """Each row once, of numbers from -1 and `MOST` columns: told apart by one number each, as long as that holds it."""
    base = int(rows.max(initial=-1)) + 2
    if base**MOST >= 2**62:
        return np.unique(rows, axis=0)
    numbers = (rows + 1) @ base ** np.arange(MOST)
    return rows[np.unique(numbers, return_index=True)[1]]


def all_roots(labels: Labels, arrays: Sequence[Ids]) -> list[Ids]:
    """`Labels.roots` of many arrays, which are many times as many calls one by one."""
    ends = np.cumsum([0, *map(len, arrays)]).tolist()
    together = labels.roots(np.concatenate([np.zeros(0, dtype=np.int64), *arrays]))
    return [together[begin:end] for begin, end in pairwise(ends)]
