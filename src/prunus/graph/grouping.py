"""From labels to groups: atoms made by the same tensors are the units of one group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import nn

from prunus.errors import InputError, nearest
from prunus.graph.group import ChannelGroup, Extent, Member
from prunus.graph.labels import Ids, Labels
from prunus.graph.wiring import Wiring, wire_model

Heads = Literal["whole", "dimensions"]
Place = tuple[str, int | str]  # a tensor and its dimension, or a node and its argument


@dataclass(frozen=True)
class Grouped:
    """A group together with the atom behind each of its units."""

    group: ChannelGroup
    atoms: tuple[int, ...]


def channel_groups(
    model: nn.Module | Wiring, example_inputs: Any = None, protect: Sequence[str] = (), heads: Heads = "whole"
) -> tuple[ChannelGroup, ...]:
    """All groups of coupled channels, in order of execution, protected ones included.

    protect: layers by name or shell pattern whose own channels stay; the model's outputs always do.
    heads: where channels are laid out as blocks (attention heads, groups of a convolution), remove `whole` blocks or
    the same `dimensions` of every block.
    Raises `InputError` if the model can't be traced or a name in `protect` fits nothing.
    """
    wiring = model if isinstance(model, Wiring) else wire_model(model, example_inputs)
    return tuple(grouped.group for grouped in group_atoms(wiring, protect, heads))


def group_atoms(wiring: Wiring, protect: Sequence[str] = (), heads: Heads = "whole") -> tuple[Grouped, ...]:
    """The groups with the atoms of their units; the labels themselves are left as they are."""
    named = _named_by_user(wiring, protect)
    found = _places(wiring.labels, ((p, a.labels) for t, x in wiring.tensors.items() for p, a in _dims(t, x)))
    extents = _places(wiring.labels, wiring.findings.counts.items())
    averaged = _averaged(wiring)
    parts = _parts(wiring)
    families: dict[Any, list[int]] = {}
    for atom, places in found.items():
        made = tuple((p, len(at)) for p, at in places.items() if _role(wiring, p) == "producers")
        reason = wiring.labels.pinned(atom) or ("named by the user" if atom in named else None)
        if made:
            families.setdefault((reason, wiring.labels.axis.get(atom), made, parts.get(atom)), []).append(atom)
    groups = [_group(wiring, key[0], atoms, found, extents, averaged) for key, atoms in families.items()]
    return _unique_names(_without_overlap(wiring, groups, heads))


def _dims(tensor: str, axes: Any) -> Iterator[tuple[Place, Any]]:
    return (((tensor, d), axis) for d, axis in enumerate(axes.axes))


def _places(labels: Labels, arrays: Iterable[tuple[Place, Ids]]) -> dict[int, dict[Place, list[int]]]:
    """Atom -> place -> positions there."""
    found: dict[int, dict[Place, list[int]]] = {}
    atoms: dict[int, Iterable[int]] = {0: ()}
    for place, ids in arrays:
        for position, label in enumerate(labels.roots(ids).tolist()):
            if label not in atoms:
                atoms[label] = sorted(labels.atoms(label))
            for atom in atoms[label]:
                found.setdefault(atom, {}).setdefault(place, []).append(position)
    return found


def _parts(wiring: Wiring) -> dict[int, tuple[int, ...]]:
    """Atom -> the parts of split dimensions that it lies in; each part is pruned by itself, so that none is emptied."""
    found: dict[int, tuple[int, ...]] = {}
    for number, ids in enumerate(wiring.findings.parts):
        for atom in {atom for label in set(wiring.labels.roots(ids).tolist()) for atom in wiring.labels.atoms(label)}:
            found[atom] = (*found.get(atom, ()), number)
    return found


def _averaged(wiring: Wiring) -> dict[int, dict[str, None]]:
    """Atom -> the layers that average over it."""
    found: dict[int, dict[str, None]] = {}
    for node, arrays in wiring.findings.normalised.items():
        for label in {label for ids in arrays for label in wiring.labels.roots(ids).tolist()}:
            for atom in wiring.labels.atoms(label):
                found.setdefault(atom, {})[wiring.modules[node]] = None
    return found


def _named_by_user(wiring: Wiring, protect: Sequence[str]) -> set[int]:
    """Atoms of the layers that the user names, and of what is laid out in blocks with them."""
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
                        for label in set(wiring.labels.roots(axis.labels).tolist()):
                            atoms |= wiring.labels.atoms(label)
    return atoms


def _group(
    wiring: Wiring,
    reason: str | None,
    atoms: list[int],
    found: dict[int, dict[Place, list[int]]],
    extents: dict[int, dict[Place, list[int]]],
    averaged: dict[int, dict[str, None]],
) -> Grouped:
    places = dict.fromkeys(place for atom in atoms for place in found[atom])
    counted = dict.fromkeys(place for atom in atoms for place in extents.get(atom, ()))
    roles: dict[str, list[Member]] = {role: [] for role in ("producers", "consumers", "buffers", "divisors")}
    for place in places:
        roles[_role(wiring, place)].append(_member(place, atoms, found))
    group = ChannelGroup(
        name=roles["producers"][0].layer,
        units=len(atoms),
        **{role: tuple(members) for role, members in roles.items()},
        extents=tuple(_extent(wiring, place, atoms, extents) for place in counted),
        normalised=tuple(dict.fromkeys(layer for atom in atoms for layer in averaged.get(atom, ()))),
        protected=reason or ("it has a single unit" if len(atoms) == 1 else None),
    )
    return Grouped(group, tuple(atoms))


def _role(wiring: Wiring, place: Place) -> str:
    """What a dimension of a tensor is to the channels along it."""
    if place in wiring.findings.divisors:
        return "divisors"
    if place in wiring.findings.consumed:
        return "consumers"
    return "buffers" if place[0] in wiring.buffers else "producers"


def _extent(wiring: Wiring, place: Place, atoms: list[int], found: dict[int, dict[Place, list[int]]]) -> Extent:
    positions = tuple(tuple(found.get(atom, {}).get(place, ())) for atom in atoms)
    node, argument = place[0], str(place[1])
    return Extent(wiring.modules[node], argument, len(wiring.findings.counts[node, argument]), positions)


def _member(place: Place, atoms: list[int], found: dict[int, dict[Place, list[int]]]) -> Member:
    return Member(place[0], int(place[1]), tuple(tuple(found[atom].get(place, ())) for atom in atoms))


def _unique_names(groups: Sequence[Grouped]) -> tuple[Grouped, ...]:
    """Where a layer makes several groups, the later ones get a number."""
    seen: dict[str, int] = {}
    result = []
    for one in groups:
        name = one.group.name
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}#{seen[name]}"
        result.append(replace(one, group=replace(one.group, name=label)))
    return tuple(result)


def _without_overlap(wiring: Wiring, groups: list[Grouped], heads: Heads) -> tuple[Grouped, ...]:
    """Of groups that divide the same positions, in blocks and across blocks, only one is left: that which is pruned."""
    home = {atom: i for i, one in enumerate(groups) for atom in one.atoms}
    rivals: dict[int, set[int]] = {i: set() for i in range(len(groups))}
    for atoms in wiring.labels.products():
        homes = {home[atom] for atom in atoms if atom in home}
        for i in homes:
            rivals[i] |= homes - {i}
    outer_first = 1 if heads == "whole" else -1

    def preference(i: int) -> tuple[bool, int]:
        axis = wiring.labels.axis.get(groups[i].atoms[0], ("", 0))[1]
        return groups[i].group.protected is not None, outer_first * axis

    chosen: set[int] = set()
    for i in sorted(range(len(groups)), key=preference):
        if not rivals[i] & chosen:
            chosen.add(i)
    return tuple(one for i, one in enumerate(groups) if i in chosen)
