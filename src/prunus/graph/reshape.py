"""Reshaping labels: merging dimensions is exact, splitting one makes a separate kind of channel per axis."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from prunus.graph.axes import Axes, Axis, kept, kept_axis
from prunus.graph.labels import KEPT, Atoms, Ids, Labels
from prunus.graph.node import Shape


def reshape(labels: Labels, axes: Axes, shape: Shape, reason: str) -> Axes:
    """Axes of the tensor seen in another shape with the same number of elements."""
    if 0 in shape:
        return kept(shape)
    wide = [axis for axis in axes.axes if axis.size != 1]
    places = [j for j, size in enumerate(shape) if size != 1]
    result = [kept_axis(1) for _ in shape]
    for before, after in blocks(tuple(axis.size for axis in wide), tuple(shape[j] for j in places)):
        parts = split(labels, merge(labels, wide[before]), tuple(shape[j] for j in places[after]), reason)
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
        while left != right:
            if left < right:
                left, i = left * before[i], i + 1
            else:
                right, j = right * after[j], j + 1
        yield slice(first_i, i), slice(first_j, j)


def merge(labels: Labels, axes: list[Axis]) -> Axis:
    """One dimension out of several, the last varying fastest."""
    return functools.reduce(functools.partial(_merge_two, labels), axes)


def _merge_two(labels: Labels, outer: Axis, inner: Axis) -> Axis:
    ids = product(labels, outer.labels, inner.labels)
    return Axis(ids.reshape(-1), outer.fills() and inner.fills(), outer.origins | inner.origins)


def product(labels: Labels, outer: Ids, inner: Ids) -> Ids:
    """Labels of all pairs: shapes (a,) and (b,) give (a, b)."""
    if not inner.any():
        return np.repeat(outer[:, None], len(inner), axis=1)
    if not outer.any():
        return np.repeat(inner[None, :], len(outer), axis=0)
    rows, row = np.unique(outer, return_inverse=True)
    columns, column = np.unique(inner, return_inverse=True)
    both = np.array([[labels.all_of((x, y)) for y in columns.tolist()] for x in rows.tolist()], dtype=np.int64)
    return both[row][:, column]


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
    atoms = {label: labels.free(label) for label in np.unique(grid).tolist()}
    axes = [_common(labels, np.moveaxis(grid, k, 0).reshape(size, -1), atoms) for k, size in enumerate(grid.shape)]
    if not _explains(labels, axes, grid, atoms):
        axes = _refined(labels, axes, reason)
        products = [labels.all_of(_at(axes, place)) for place in np.ndindex(grid.shape)]
        labels.join_all(grid, np.array(products, dtype=np.int64).reshape(grid.shape), reason)
    return axes


def _common(labels: Labels, slices: Ids, atoms: dict[int, Atoms]) -> Ids:
    """For each slice, the label of the atoms that all its positions need."""
    shared = (frozenset.intersection(*(atoms[label] for label in np.unique(row).tolist())) for row in slices)
    return np.array([labels.all_of(common) for common in shared], dtype=np.int64)


def _at(axes: list[Ids], place: tuple[int, ...]) -> list[int]:
    return [int(ids[i]) for ids, i in zip(axes, place, strict=True)]


def _explains(labels: Labels, axes: list[Ids], grid: Ids, atoms: dict[int, Atoms]) -> bool:
    return all(
        atoms[int(grid[place])] == frozenset().union(*(labels.atoms(label) for label in _at(axes, place)))
        for place in np.ndindex(grid.shape)
    )


def _refined(labels: Labels, axes: list[Ids], name: str) -> list[Ids]:
    """New atoms on top of what each slice has in common; on the longest axis only, where the split is a single one."""
    longest = max(range(len(axes)), key=lambda k: len(axes[k]))
    refined = []
    for k, common in enumerate(axes):
        if name in labels.single and k != longest:
            refined.append(common)
            continue
        fresh = labels.fresh(len(common)).tolist()
        labels.axis.update((atom, (name, k)) for atom in fresh)
        both = [labels.all_of(pair) for pair in zip(common.tolist(), fresh, strict=True)]
        refined.append(np.array(both, dtype=np.int64))
    return refined
