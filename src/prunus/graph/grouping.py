"""From labels to groups: atoms made by the same tensors are the units of one group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from torch import nn

from prunus.errors import InputError, nearest
from prunus.graph.group import ChannelGroup, Extent, Member
from prunus.graph.labels import Ids, Labels
from prunus.graph.wiring import Wiring, wire_model

Heads = Literal["whole", "dimensions"]
ROLES = ("producers", "consumers", "buffers", "divisors")
Place: TypeAlias = tuple[str, int]  # a tensor and its dimension
Positions: TypeAlias = dict[int, tuple[int, ...]]  # atom -> its positions along a dimension
K = TypeVar("K")


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
    if heads not in get_args(Heads):
        raise InputError(f"'heads' is {heads!r}", "", nearest(str(heads), get_args(Heads)))
    wiring = model if isinstance(model, Wiring) else wire_model(model, example_inputs)
    return tuple(grouped.group for grouped in group_atoms(wiring, protect, heads))


def group_atoms(wiring: Wiring, protect: Sequence[str] = (), heads: Heads = "whole") -> tuple[Grouped, ...]:
    """The groups with the atoms of their units; the labels themselves are left as they are."""
    labels = wiring.labels
    arrays = ((p, axis.labels) for name, axes in wiring.tensors.items() for p, axis in _dims(name, axes))
    found = {place: _positions(labels, ids) for place, ids in arrays}
    counted = {number: _positions(labels, ids) for number, ids in wiring.findings.counts.items()}
    roles = {place: _role(wiring, place) for place in found}
    named, parts = _named_by_user(wiring, protect), _parts(wiring)
    families: dict[Any, list[int]] = {}
    for atom, made in _makers(found, roles).items():
        reason = labels.pinned(atom) or ("named by the user" if atom in named else None)
        families.setdefault((reason, labels.axis.get(atom), made, parts.get(atom)), []).append(atom)
    home = {atom: number for number, atoms in enumerate(families.values()) for atom in atoms}
    places, numbers, averaged = _of_families(found, home), _of_families(counted, home), _averaged(wiring, home)
    groups = []
    for number, ((reason, *_), atoms) in enumerate(families.items()):
        members = [(roles[p], Member(*p, _along(found[p], atoms))) for p in places.get(number, ())]
        extents = [_extent(wiring, n, _along(counted[n], atoms)) for n in numbers.get(number, ())]
        groups.append(Grouped(_group(reason, members, extents, averaged.get(number, ()), len(atoms)), tuple(atoms)))
    return _unique_names(_without_overlap(wiring, groups, heads))


def _makers(found: Mapping[Place, Positions], roles: Mapping[Place, str]) -> dict[int, int]:
    """Atom -> a number that stands for the dimensions that make it, and how often; in order of execution."""
    numbers: dict[tuple[int, int, int], int] = {}
    made: dict[int, int] = {}
    for which, (place, positions) in enumerate(found.items()):
        if roles[place] == "producers":
            for atom, at in positions.items():
                made[atom] = numbers.setdefault((made.get(atom, 0), which, len(at)), len(numbers) + 1)
    return made


def _of_families(found: Mapping[K, Positions], home: Mapping[int, int]) -> dict[int, list[K]]:
    """Family -> where its atoms are."""
    places: dict[int, list[K]] = {}
    for place, positions in found.items():
        for family in dict.fromkeys(home[atom] for atom in positions if atom in home):
            places.setdefault(family, []).append(place)
    return places


def _along(positions: Positions, atoms: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return tuple(positions.get(atom, ()) for atom in atoms)


def _dims(tensor: str, axes: Any) -> Iterator[tuple[Place, Any]]:
    return (((tensor, d), axis) for d, axis in enumerate(axes.axes))


def _positions(labels: Labels, ids: Ids) -> Positions:
    """Atom -> its positions."""
    roots = labels.roots(ids).tolist()
    if labels.all_single(roots):
        return {root: (position,) for position, root in enumerate(roots)}
    found: dict[int, list[int]] = {}
    atoms: dict[int, Iterable[int]] = {}
    for position, label in enumerate(roots):
        if label not in atoms:
            atoms[label] = sorted(labels.atoms(label))
        for atom in atoms[label]:
            found.setdefault(atom, []).append(position)
    return {atom: tuple(positions) for atom, positions in found.items()}


def _parts(wiring: Wiring) -> dict[int, tuple[int, ...]]:
    """Atom -> the parts of split dimensions that it lies in; each part is pruned by itself, so that none is emptied."""
    found: dict[int, tuple[int, ...]] = {}
    for number, ids in enumerate(wiring.findings.parts):
        for atom in {atom for label in set(wiring.labels.roots(ids).tolist()) for atom in wiring.labels.atoms(label)}:
            found[atom] = (*found.get(atom, ()), number)
    return found


def _averaged(wiring: Wiring, home: Mapping[int, int]) -> dict[int, dict[str, None]]:
    """Family -> the layers that average over its atoms."""
    found: dict[int, dict[str, None]] = {}
    for node, arrays in wiring.findings.normalised.items():
        for label in {label for ids in arrays for label in wiring.labels.roots(ids).tolist()}:
            for atom in wiring.labels.atoms(label):
                if atom in home:
                    found.setdefault(home[atom], {})[wiring.modules[node]] = None
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
                        for label in set(wiring.labels.roots(axis.labels).tolist()):
                            atoms |= wiring.labels.atoms(label)
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
