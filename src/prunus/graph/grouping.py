"""From labels to groups: atoms made by the same tensors are the units of one group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from torch import nn

from prunus.errors import InputError, nearest
from prunus.graph.along import Along, alongs
from prunus.graph.forest import Ids, all_roots
from prunus.graph.group import ChannelGroup, Extent, Member
from prunus.graph.wiring import Wiring, wire_model

Heads = Literal["whole", "dimensions"]
ROLES = ("producers", "consumers", "buffers", "divisors")
Place: TypeAlias = tuple[str, int]  # a tensor and its dimension


def channel_groups(
    model: nn.Module | Wiring, example_inputs: Any = None, protect: Sequence[str] = (), heads: Heads = "whole"
) -> tuple[ChannelGroup, ...]:
    """All groups of coupled channels, in order of execution, protected ones included.

    protect: layers by name or shell pattern whose own channels stay; the model's outputs always do.
    heads: where channels are laid out as blocks (attention heads, groups of a convolution), remove `whole` blocks or
    the same `dimensions` of every block.
    Raises `InputError` if the model can't be traced or a name in `protect` fits nothing.
    """
    if heads not in get_args(Heads):
        raise InputError(f"'heads' is {heads!r}", "", nearest(str(heads), get_args(Heads)))
    wiring = model if isinstance(model, Wiring) else wire_model(model, example_inputs)
    counts = wiring.findings.counts
    found = alongs(wiring.labels, wiring.roots)
    counted = alongs(wiring.labels, dict(zip(counts, all_roots(wiring.labels, list(counts.values())), strict=True)))
    roles = {place: _role(wiring, place) for place in found}
    families, reasons = _families(wiring, [found[place] for place in found if roles[place] == "producers"], protect)
    home = np.full(wiring.labels.size, -1)
    for number, atoms in enumerate(families):
        home[atoms] = number
    places, numbers, averaged = _of_families(found, home), _of_families(counted, home), _averaged(wiring, home)
    groups = []
    for number, (atoms, reason) in enumerate(zip(families, reasons, strict=True)):
        mine = places.get(number, ())
        at = {along: along.at(atoms) for along in {found[p] for p in mine}}  # most places have the same
        members = [(roles[p], Member(p[0], p[1], at[found[p]])) for p in mine]
        extents = [_extent(wiring, n, counted[n].at(atoms)) for n in numbers.get(number, ())]
        groups.append(_group(reason, members, extents, averaged.get(number, ()), len(atoms)))
    return _unique_names(_without_overlap(wiring, groups, families, home, heads))


def _families(wiring: Wiring, producers: Sequence[Along], protect: Sequence[str]) -> tuple[list[Ids], list[str | None]]:
    """Atoms that belong together, in order of execution, and why they can't be removed, if they can't.

    They are made by the same dimensions, each as often, and in the same place among heads and parts of splits.
    """
    labels = wiring.labels
    made = np.zeros(labels.size, dtype=np.int64)  # atom -> a number for the dimensions that make it, and how often
    for along in dict.fromkeys(producers):
        made[along.unique] = _distinct(made[along.unique], along.counts) + made.max() + 1
    named, parts = _named_by_user(wiring, protect), _parts(wiring)
    kinds: dict[Any, int] = {(None, None, None): 0}
    kind = np.zeros(labels.size, dtype=np.int64)
    whys = {why: kinds.setdefault((why, None, None), len(kinds)) for why in dict.fromkeys(labels.reasons.values())}
    kind[list(labels.reasons)] = [whys[why] for why in labels.reasons.values()]
    for atom in labels.axis.keys() | named | parts.keys():
        reason = labels.pinned(atom) or ("named by the user" if atom in named else None)
        kind[atom] = kinds.setdefault((reason, labels.axis.get(atom), parts.get(atom)), len(kinds))
    atoms = _in_order(np.concatenate([np.zeros(0, dtype=np.int64), *(along.unique for along in producers)]))
    family = _distinct(made[atoms], kind[atoms])
    order = np.argsort(family, kind="stable")
    places = np.split(order, np.flatnonzero(np.diff(family[order])) + 1) if len(order) else []
    members = [atoms[some] for some in sorted(places, key=lambda some: int(some[0]))]
    reasons = list(kinds)
    return members, [reasons[kind[some[0]]][0] for some in members]


def _distinct(one: Ids, other: Ids) -> Ids:
    """A number for each pair, from 0."""
    if len(one) and (one == one[0]).all() and (other == other[0]).all():
        return np.zeros_like(one)
    numbers: Ids = np.unique(one * (other.max(initial=0) + 1) + other, return_inverse=True)[1]
    return numbers


def _in_order(ids: Ids) -> Ids:
    """Each number once, where it stands first."""
    return ids[np.sort(np.unique(ids, return_index=True)[1])]


def _of_families(found: Mapping[Any, Along], home: Ids) -> dict[int, list[Any]]:
    """Family -> where its atoms are."""
    places: dict[int, list[Any]] = {}
    homes = {along: _homes(home, along.unique) for along in set(found.values())}
    for place, along in found.items():
        for family in homes[along]:
            places.setdefault(family, []).append(place)
    return places


def _homes(home: Ids, atoms: Ids) -> list[int]:
    """The families of these atoms, each once."""
    return [family for family in set(home[atoms].tolist()) if family >= 0]


def _dims(tensor: str, axes: Any) -> Iterator[tuple[Place, Any]]:
    return (((tensor, d), axis) for d, axis in enumerate(axes.axes))


def _parts(wiring: Wiring) -> dict[int, tuple[int, ...]]:
    """Atom -> the parts of split dimensions that it lies in; each part is pruned by itself, so that none is emptied."""
    found: dict[int, tuple[int, ...]] = {}
    for number, ids in enumerate(wiring.findings.parts):
        for atom in set(wiring.labels.spread(ids)[1].tolist()):
            found[atom] = (*found.get(atom, ()), number)
    return found


def _averaged(wiring: Wiring, home: Ids) -> dict[int, dict[str, None]]:
    """Family -> the layers that average over its atoms."""
    found: dict[int, dict[str, None]] = {}
    for node, arrays in wiring.findings.normalised.items():
        for ids in arrays:
            for family in _homes(home, wiring.labels.spread(ids)[1]):
                found.setdefault(family, {})[wiring.modules[node]] = None
    return found


def _named_by_user(wiring: Wiring, protect: Sequence[str]) -> set[int]:
    """Atoms of the layers that the user names, and of what is laid out in blocks with them."""
    if isinstance(protect, str):
        raise InputError(f"'protect' is {protect!r}", "it takes a list of layers", f"write [{protect!r}]")
    layers = {name.rpartition(".")[0] or name for name in wiring.tensors}
    atoms: set[int] = set()
    for pattern in protect:
        fits = {layer for layer in layers if fnmatchcase(layer, pattern) or layer.startswith(pattern + ".")}
        if not fits and pattern != "output":
            raise InputError(f"There is no layer {pattern!r} to protect", "", nearest(pattern, layers))
        for name, axes in wiring.tensors.items():
            if (name.rpartition(".")[0] or name) in fits:
                for place, axis in _dims(name, axes):
                    if place not in wiring.findings.consumed:
                        atoms.update(wiring.labels.spread(axis.labels)[1].tolist())
    return atoms


def _group(
    reason: str | None, members: list[tuple[str, Member]], extents: list[Extent], averaged: Iterable[str], units: int
) -> ChannelGroup:
    by_role = {wanted: tuple(member for role, member in members if role == wanted) for wanted in ROLES}
    return ChannelGroup(
        name=by_role["producers"][0].layer,
        units=units,
        **by_role,
        extents=tuple(extents),
        normalised=tuple(averaged),
        protected=reason or ("it has a single unit" if units == 1 else None),
    )


def _role(wiring: Wiring, place: Place) -> str:
    """What a dimension of a tensor is to the channels along it."""
    if place in wiring.findings.divisors:
        return "divisors"
    if place in wiring.findings.consumed:
        return "consumers"
    return "buffers" if place[0] in wiring.buffers else "producers"


def _extent(wiring: Wiring, number: tuple[str, str], positions: tuple[tuple[int, ...], ...]) -> Extent:
    return Extent(wiring.modules[number[0]], number[1], len(wiring.findings.counts[number]), positions)


def _unique_names(groups: Iterable[ChannelGroup]) -> tuple[ChannelGroup, ...]:
    """Where a layer makes several groups, the later ones get a number."""
    seen: dict[str, int] = {}
    result = []
    for group in groups:
        seen[group.name] = seen.get(group.name, 0) + 1
        number = seen[group.name]
        result.append(group if number == 1 else replace(group, name=f"{group.name}#{number}"))
    return tuple(result)


def _without_overlap(
    wiring: Wiring, groups: Sequence[ChannelGroup], families: Sequence[Ids], home: Ids, heads: Heads
) -> Iterator[ChannelGroup]:
    """Of groups that divide the same positions, in blocks and across blocks, only one is left: that which is pruned."""
    rivals: dict[int, set[int]] = {i: set() for i in range(len(groups))}
    for homes in wiring.labels.meeting(home):
        for i in homes:
            rivals[i] |= homes - {i}
    outer_first = 1 if heads == "whole" else -1

    def preference(i: int) -> tuple[bool, int]:
        axis = wiring.labels.axis.get(int(families[i][0]), ("", 0))[1]
        return groups[i].protected is not None, outer_first * axis

    chosen: set[int] = set()
    for i in sorted(range(len(groups)), key=preference):
        if not rivals[i] & chosen:
            chosen.add(i)
    return (group for i, group in enumerate(groups) if i in chosen)
