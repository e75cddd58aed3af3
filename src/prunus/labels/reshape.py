"""Reshaping labels: merging dimensions is exact, splitting one makes a separate kind of channel per axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product as product_of

import numpy as np

from prunus.graph.node import Shape
from prunus.labels.axes import Axes, Axis, kept, kept_axis
from prunus.labels.label_sets import KEPT, Atoms
from prunus.labels.labels import Labels
from prunus.labels.union_find import Ids


def reshape(labels: Labels, axes: Axes, shape: Shape, reason: str) -> Axes:
    """Axes of the tensor seen in another shape with the same number of elements."""
    if 0 in shape:
        return kept(shape)
    # Dimensions of size 1 have nothing to remove, and would let runs of equal numbers of elements end anywhere.
    wide = [axis for axis in axes.axes if axis.size != 1]
    places = [j for j, size in enumerate(shape) if size != 1]
    result = [kept_axis(1) for _ in shape]
    for before, after in blocks(tuple(axis.size for axis in wide), tuple(shape[j] for j in places)):
        sizes = tuple(shape[j] for j in places[after])
        parts = split(labels, merge(labels, _without_crossed(labels, wide[before], sizes, reason)), sizes, reason)
        for j, part in zip(places[after], parts, strict=True):
            result[j] = part
    return Axes(tuple(result))


def blocks(before: Shape, after: Shape) -> Iterator[tuple[slice, slice]]:
    """Smallest runs of dimensions with the same number of elements; no dimension has size 1.

    >>> [(before, after) for before, after in blocks((2, 6, 5), (2, 3, 2, 5))][1]
    (slice(1, 2, None), slice(1, 3, None))
    """
    i = j = 0
    while i < len(before):
        first_i, first_j = i, j
        left, right = before[i], after[j]
        i, j = i + 1, j + 1
        # A run ends where both shapes have taken in as many elements: nothing is reshaped across its ends.
        while left != right:
            if left < right:
                left, i = left * before[i], i + 1
            else:
                right, j = right * after[j], j + 1
        yield slice(first_i, i), slice(first_j, j)


def _without_crossed(labels: Labels, axes: list[Axis], shape: Shape, reason: str) -> list[Axis]:
    """The dimensions, of which nothing goes where they change places without being transposed.

    So pixels and channels are laid out as channels and pixels: which channels go together then depends on the number of
    pixels, which may be another in the next call. Samples are neither: what counts is how many pixels one of them has.
    """
    if min(len(axes), len(shape)) == 1:
        return axes
    samples = axes[0].size if axes[0].batch else 1
    ends = set(np.cumprod(shape[::-1]).tolist())
    count = math.prod(axis.size for axis in axes)
    result, inner = [], count
    for axis in axes:
        inner //= axis.size
        # The others are as many as the parts of it are long: these take their place, and parts of it their positions.
        others = count // axis.size // samples
        if not axis.is_kept and inner * others in ends and _divides(axis.labels, others):
            labels.pin(axis.labels, f"laid out across its dimensions: {reason}")
            axis = kept_axis(axis.size)
        result.append(axis)
    return result


def _divides(ids: Ids, length: int) -> bool:
    """Whether parts of that length hold several channels."""
    if len(ids) % length:
        return True
    parts = ids.reshape(-1, length)
    return bool((parts != parts[:, :1]).any())


def merge(labels: Labels, axes: list[Axis]) -> Axis:
    """One dimension out of several, the last varying fastest."""
    return functools.reduce(functools.partial(_merge_two, labels), axes)


def _merge_two(labels: Labels, outer: Axis, inner: Axis) -> Axis:
    outer, inner = _with_all_copies(labels, outer, inner), _with_all_copies(labels, inner, outer)
    # Row-major: position (i, j) becomes i * len(inner) + j, which is where the flattened products have it.
    ids = product(labels, outer.labels, inner.labels)
    return Axis(ids.reshape(-1), outer.holds_zeros() and inner.holds_zeros(), outer.origins | inner.origins)


def _with_all_copies(labels: Labels, axis: Axis, beside: Axis) -> Axis:
    """The dimension, of which nothing goes where it holds copies of several channels: these go with all their copies.

    So several heads of keys keep their ratio to the heads of queries, while of a single one any copies may go.
    """
    if not axis.repeats or beside.is_kept:
        return axis
    labels.pin(axis.labels, "copies of several channels")
    return kept_axis(axis.size)


def product(labels: Labels, outer: Ids, inner: Ids) -> Ids:
    """Labels of all pairs: shapes (a,) and (b,) give (a, b)."""
    # KEPT is 0 and needs nothing: a pair with it needs what the other label needs, and no compound has to be made.
    if not inner.any():
        return np.repeat(outer[:, None], len(inner), axis=1)
    if not outer.any():
        return np.repeat(inner[None, :], len(outer), axis=0)
    rows, row = np.unique(outer, return_inverse=True)
    columns, column = np.unique(inner, return_inverse=True)
    both = labels.all_of_each([(x, y) for x in rows.tolist() for y in columns.tolist()])
    return both.reshape(len(rows), len(columns))[row][:, column]


def split(labels: Labels, axis: Axis, shape: Shape, reason: str) -> list[Axis]:
    """Several dimensions out of one; whatever is removed must leave a tensor that still has this many dimensions."""
    if len(shape) == 1:
        return [axis]
    return [replace(axis, labels=ids) for ids in factor(labels, axis.labels.reshape(shape), reason)]


def factor(labels: Labels, grid: Ids, reason: str) -> list[Ids]:
    """One array of labels per dimension of the grid, such that each position's label is their product.

    Atoms that a whole slice of the grid has in common are that slice's label. Where this does not explain all of
    them, new atoms are made for each slice, and the positions are joined to the products of these.
    """
    if not grid.any():
        return [np.full(size, KEPT, dtype=np.int64) for size in grid.shape]
    # Two ways that nearly all splits take, in arrays: heads are split off labels that know nothing of each other, or
    # what was split before is seen as rows and columns again.
    if grid.ndim == 2 and min(grid.shape) > 1:
        if labels.are_unrelated(grid):
            axes = _refined(labels, [np.full(size, KEPT, dtype=np.int64) for size in grid.shape], reason)
            if all(ids.any() for ids in axes):
                labels.join_all(grid, labels.all_pairs(*axes), reason)
                return axes
            return _joined(labels, axes, grid, reason)
        if (found := _crossing(labels, grid)) is not None:
            return found
    # In general, label by label. Pinned atoms are never removed, so they tell no slice from another.
    atoms = {label: labels.free(label) for label in np.unique(grid).tolist()}
    axes = [_common(labels, np.moveaxis(grid, k, 0).reshape(size, -1), atoms) for k, size in enumerate(grid.shape)]
    if _explains(labels, axes, grid, atoms):
        return axes
    return _joined(labels, _refined(labels, axes, reason), grid, reason)


def _joined(labels: Labels, axes: list[Ids], grid: Ids, reason: str) -> list[Ids]:
    """The axes, of which the positions of the grid are now the products."""
    labels.join_all(grid, labels.all_of_each(_all_places(axes)).reshape(grid.shape), reason)
    return axes


def _crossing(labels: Labels, grid: Ids) -> list[Ids] | None:
    """The labels of rows and columns, where each position needs the one atom of its row and the one of its column."""
    needed = labels.needed(grid)
    # `needed` puts atoms last: with a third one a position is more than the crossing of a row and a column.
    if needed is None or needed[..., :-2].any():
        return None
    pairs = needed[..., -2:]
    if not pairs.all() or not labels.may_go(pairs):
        return None
    rows, columns = _of_all(pairs), _of_all(pairs.swapaxes(0, 1))
    if rows is None or columns is None:
        return None
    both = np.stack(np.broadcast_arrays(rows[:, None], columns), axis=-1)
    return [rows, columns] if np.array_equal(np.sort(both, axis=-1), pairs) else None


def _of_all(pairs: Ids) -> Ids | None:
    """The one atom that all of a row have, of each row; None where that is not one."""
    first = pairs[:, 0]
    everywhere = (pairs[:, :, None] == first[:, None, :, None]).any(axis=-1).all(axis=1)
    return np.where(everywhere[:, 0], first[:, 0], first[:, 1]) if (everywhere.sum(axis=1) == 1).all() else None


def _common(labels: Labels, slices: Ids, atoms: dict[int, Atoms]) -> Ids:
    """For each slice, the label of the atoms that all its positions need."""
    shared = [frozenset.intersection(*(atoms[label] for label in set(row))) for row in slices.tolist()]
    return labels.all_of_each(shared)


def _all_places(axes: list[Ids]) -> list[tuple[int, ...]]:
    """The labels of the axes at each place of the grid, the last varying fastest."""
    return list(product_of(*(ids.tolist() for ids in axes)))


def _explains(labels: Labels, axes: list[Ids], grid: Ids, atoms: dict[int, Atoms]) -> bool:
    return all(
        atoms[label] == frozenset().union(*(labels.atoms(axis) for axis in place))
        for label, place in zip(grid.reshape(-1).tolist(), _all_places(axes), strict=True)
    )


def _refined(labels: Labels, axes: list[Ids], name: str) -> list[Ids]:
    """New atoms on top of what each slice has in common; on the longest axis only, where the split is a single one."""
    longest = max(range(len(axes)), key=lambda k: len(axes[k]))
    refined = []
    for k, common in enumerate(axes):
        # This split could not be matched with another one (see `couple`): it gets atoms along one axis alone.
        if name in labels.single and k != longest:
            refined.append(common)
            continue
        atoms = labels.fresh(len(common))
        fresh = atoms.tolist()
        labels.axis.update((atom, (name, k)) for atom in fresh)
        refined.append(labels.all_of_each(list(zip(common.tolist(), fresh, strict=True))) if common.any() else atoms)
    return refined
