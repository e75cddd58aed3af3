"""Labels that stand for several atoms at once, such as the row of a projection for a head and a dimension."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from prunus.labels.union_find import FIRST, Ids, UnionFind, longer

Atoms: TypeAlias = frozenset[int]

NONE: Atoms = frozenset()
KEPT = 0  # the label of every position that can't be removed by itself: pixels, tokens, batch, the model's inputs

MOST = 4  # atoms of one label that are looked up for many labels at once: a part, a head and its dimension are three
UNUSED = (KEPT,) * MOST


class LabelSets(UnionFind):
    """Labels of which each is an atom, or a compound: all of its atoms at once. Both may be joined to others.

    Atoms of single labels are looked up in sets, those of many at once in a table with a few columns.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[int, Atoms] = {}  # compound -> what it stands for
        self._interned: dict[Atoms, int] = {}  # the same the other way round
        self._known: dict[int, Atoms] = {}  # compound -> its atoms, until one of them is joined
        self._is_compound = np.zeros(FIRST, dtype=np.bool_)
        self._is_crowded = np.zeros(FIRST, dtype=np.bool_)  # whether it stands for more than `MOST`
        self._is_part = np.zeros(FIRST, dtype=np.bool_)  # whether it may be a part of a compound
        self._made_of = np.zeros((FIRST, MOST), dtype=np.int64)  # compound -> its parts

    def _grow(self, size: int) -> None:
        super()._grow(size)
        self._is_compound, self._is_crowded = longer(self._is_compound, size), longer(self._is_crowded, size)
        self._is_part, self._made_of = longer(self._is_part, size), longer(self._made_of, size)

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

    def needed(self, ids: Ids) -> Ids | None:
        """The atoms of each label in order, shape (..., `MOST`), behind as many `KEPT` as there are fewer of them.

        None if a label has more of them, or has a part that is a compound now.
        """
        roots = self.roots(ids)
        parts = self.roots(self._made_of[roots])
        if self._is_compound[parts].any() or self._is_crowded[roots].any():
            return None
        # The table holds parts of compounds; an atom is its own only part.
        parts[..., -1] = np.where(self._is_compound[roots], parts[..., -1], roots)
        parts.sort(axis=-1)
        # Parts that were joined since the compound was made are one atom now, and count once.
        parts[..., 1:][parts[..., 1:] == parts[..., :-1]] = KEPT
        parts.sort(axis=-1)
        return parts

    def spread(self, ids: Ids) -> tuple[Ids, Ids]:
        """Every position with each of its atoms: two arrays, in order; positions of `KEPT` are not among them."""
        roots = self.roots(ids)
        if not self._is_compound[roots].any():
            positions = np.flatnonzero(roots)
            return positions, roots[positions]
        each = self.needed(roots)
        if each is None:
            lists = [sorted(self.atoms(label)) for label in roots.tolist()]
            positions = np.repeat(np.arange(len(lists)), [len(atoms) for atoms in lists])
            return positions, np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=len(positions))
        there = np.flatnonzero(each)
        return there // MOST, each.reshape(-1)[there]

    def without(self, removed: Ids) -> NDArray[np.bool_]:
        """Label -> whether a position with it is left once these atoms are gone; for labels that are roots."""
        left = np.ones(self._size, dtype=np.bool_)
        left[removed] = False
        compounds = self._compound_roots()
        if (needed := self.needed(compounds)) is not None:
            left[compounds] = left[needed].all(axis=1)  # that of none, `KEPT`, is always left
        else:
            gone = frozenset(removed.tolist())
            left[compounds] = [gone.isdisjoint(self.atoms(label)) for label in compounds.tolist()]
        return left

    def meeting(self, home: Ids) -> set[frozenset[int]]:
        """Which families have atoms that some position needs at once. home: atom -> its family, or -1."""
        compounds = self._compound_roots()
        if (needed := self.needed(compounds)) is not None:
            found = _distinct_rows(np.where(needed == KEPT, -1, home[needed])).tolist()
        else:
            found = [home[list(self.atoms(label))].tolist() for label in compounds.tolist()]
        return {frozenset(families) - {-1} for families in found}

    def _compound_roots(self) -> Ids:
        """All compounds that were joined to no other label."""
        return np.unique(self.roots(np.fromiter(self._parts, dtype=np.int64, count=len(self._parts))))

    def all_of(self, labels: Iterable[int]) -> int:
        """The label that needs all atoms of these labels."""
        return int(self.all_of_each([tuple(labels)])[0])

    def all_of_each(self, many: Sequence[Collection[int]]) -> Ids:
        """For each of these collections of labels the one that needs all their atoms."""
        known = {label: self.atoms(label) for label in set(chain.from_iterable(many))}
        found, start = [], self._size
        new: list[Atoms] = []
        for labels in many:
            atoms = NONE.union(*map(known.__getitem__, labels))
            if len(atoms) < 2:
                label = next(iter(atoms), KEPT)
            elif (label := self._interned.get(atoms, KEPT)) == KEPT:
                label = self._interned[atoms] = start + len(new)
                new.append(atoms)
            found.append(label)
        padded = [(*atoms, *UNUSED)[:MOST] for atoms in new]
        self._compose(new, np.array(padded, dtype=np.int64).reshape(-1, MOST))
        return np.array(found, dtype=np.int64)

    def all_pairs(self, one: Ids, other: Ids) -> Ids:
        """`all_of` for each of two times two atoms that were never needed together; shape (ones, others)."""
        new = list(map(frozenset, product(one.tolist(), other.tolist())))
        made_of = np.zeros((len(one), len(other), MOST), dtype=np.int64)
        made_of[..., 0], made_of[..., 1] = one[:, None], other
        fresh = self._compose(new, made_of.reshape(-1, MOST))
        self._interned.update(zip(new, fresh.tolist(), strict=True))
        return fresh.reshape(len(one), len(other))

    def _compose(self, new: Sequence[Atoms], made_of: Ids) -> Ids:
        """New compounds of these atoms. made_of: the first few of each, or `KEPT`."""
        fresh = self.fresh(len(new))
        self._parts.update(zip(fresh.tolist(), new, strict=True))
        self._is_compound[fresh] = self._is_part[made_of] = True
        self._made_of[fresh] = made_of
        if crowded := [label for label, atoms in zip(fresh.tolist(), new, strict=True) if len(atoms) > MOST]:
            self._is_crowded[crowded] = True
            self._is_part[list(NONE.union(*new))] = True
        return fresh

    def _become(self, roots: int | Ids, others: int | Ids) -> None:
        super()._become(roots, others)
        # Compounds that have one of these as a part stand for other atoms from now on.
        if self._is_part[roots].any():
            self._is_part[others] = True
            self._known.clear()


def _distinct_rows(rows: Ids) -> Ids:
    """Each row once, of numbers from -1 and `MOST` columns: told apart by one number each, as long as that holds it."""
    base = int(rows.max(initial=-1)) + 2
    if base**MOST >= 2**62:
        return np.unique(rows, axis=0)
    numbers = (rows + 1) @ base ** np.arange(MOST)
    return rows[np.unique(numbers, return_index=True)[1]]
