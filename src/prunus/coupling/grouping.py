"""From labels to groups: atoms made by the same tensors are the units of one group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from torch import nn

from prunus.coupling._coupling import Coupling, couple_model
from prunus.coupling._group import AtomPositions, ChannelGroup, Extent, Member, atom_positions
from prunus.coupling.outputs import Outputs
from prunus.errors import InputError, nearest
from prunus.labels.union_find import Ids, all_roots

Heads = Literal["whole", "dimensions"]
ROLES = ("producers", "consumers", "buffers", "divisors")
Place: TypeAlias = tuple[str, int]  # a tensor and its dimension
TYING = frozenset(("chunk", "tensor_split", "view", "reshape", "_unsafe_view", "flatten", "unflatten"))
"""Operations that join positions of one tensor, where these are taken apart in equal parts or laid out anew."""
SHOWN = 2
"""Operations that a reason names."""


def channel_groups(
    model: nn.Module | Coupling,
    example_inputs: Any = None,
    protect: Sequence[str] = (),
    heads: Heads = "whole",
    outputs: Outputs = None,
) -> tuple[ChannelGroup, ...]:
    """All groups of coupled channels, in order of execution, protected ones included.

    Args:
        model: the network; or a `Coupling` that was made of it, to save tracing it again.
        example_inputs: what the network takes: a tensor, a tuple or a dictionary. Not needed with a coupling.
        protect: layers by name or shell pattern whose own channels stay.
        heads: where channels are laid out as blocks (attention heads, groups of a convolution), remove `whole` blocks
            or the same `dimensions` of every block.
        outputs: the model's outputs that keep their width, as in `prune_channels`; a coupling has its own.

    Returns:
        The groups; `protected` of each says why no channel of it may go, or is None.

    Raises:
        InputError: the model can't be traced, or a name in `protect` or `outputs` fits nothing.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> for group in channel_groups(model, torch.zeros(1, 4)):
        ...     print(group.name, group.units, [member.parameter for member in group.consumers], group.protected)
        0 8 ['2.weight'] None
        2 2 [] model output
    """
    if heads not in get_args(Heads):
        raise InputError(f"'heads' is {heads!r}", "", nearest(str(heads), get_args(Heads)))
    coupling = model if isinstance(model, Coupling) else couple_model(model, example_inputs, outputs)
    found = atom_positions(coupling.labels, coupling.roots)
    counted = _positions_of(coupling, coupling.findings.counts)
    aligned = _positions_of(coupling, coupling.findings.aligned)
    roles = {place: _role(coupling, place) for place in found}
    families, reasons = _families(coupling, [found[place] for place in found if roles[place] == "producers"], protect)
    home = np.full(coupling.labels.size, -1)
    for number, atoms in enumerate(families):
        home[atoms] = number
    places, numbers, averaged = _of_families(found, home), _of_families(counted, home), _averaged(coupling, home)
    in_rows = _of_families(aligned, home)
    groups = []
    for number, (atoms, reason) in enumerate(zip(families, reasons, strict=True)):
        mine = places.get(number, ())
        at = {along: along.at(atoms) for along in {found[p] for p in mine}}  # most places have the same
        members = [(roles[p], Member(p[0], p[1], at[found[p]])) for p in mine]
        extents = [_extent(coupling, n, counted[n].at(atoms)) for n in numbers.get(number, ())]
        steps = [n[2] // math.gcd(n[2], len(aligned[n].at(atoms)[0])) for n in in_rows.get(number, ())]
        layers = averaged.get(number, ())
        if coupling.graphs[0].untraced:
            reason = reason or _why_not_in_class(coupling, layers, [member for _, member in members])
        if reason is None and len(atoms) == 1:
            reason = _why_alone(coupling, int(atoms[0]))
        groups.append(_group(reason, members, extents, layers, len(atoms), math.lcm(*steps)))
    return _unique_names(_without_overlap(coupling, groups, home, heads))


OF_ATTENTION = ("in_proj_weight", "q_proj_weight", "bias_k")
"""Parameters of `nn.MultiheadAttention`, whose forward takes it for granted that all its widths are equal."""


def _why_not_in_class(coupling: Coupling, layers: Iterable[str], members: Sequence[Member]) -> str | None:
    """Why a group can't be removed where the user's own forward has to run, since there is no graph of it."""
    for layer in layers:
        return f"averaged over by {layer!r}, in a network that can't be traced"
    for member in members:
        if any(f"{member.layer}.{name}".lstrip(".") in coupling.tensors for name in OF_ATTENTION):
            return f"sizes are written into the attention {member.layer!r}, in a network that can't be traced"
    return None


def _positions_of(coupling: Coupling, named: Mapping[Any, Ids]) -> dict[Any, AtomPositions]:
    """Where atoms are along dimensions that were found while labels were carried through the network."""
    roots = all_roots(coupling.labels, list(named.values()))
    return atom_positions(coupling.labels, dict(zip(named, roots, strict=True)))


def _families(
    coupling: Coupling, producers: Sequence[AtomPositions], protect: Sequence[str]
) -> tuple[list[Ids], list[str | None]]:
    """Atoms that belong together, in order of execution, and why they can't be removed, if they can't.

    They are made by the same dimensions, each as often, and in the same place among heads and parts of splits.
    """
    labels = coupling.labels
    # One number an atom instead of a set of places, refined place by place, so that it is all done in arrays.
    made = np.zeros(labels.size, dtype=np.int64)  # atom -> a number for the dimensions that make it, and how often
    for along in dict.fromkeys(producers):
        made[along.unique] = _distinct(made[along.unique], along.counts) + made.max() + 1
    # What keeps atoms apart that the same layers make: why they may not go, and their place in splits.
    named, parts = _named_by_user(coupling, protect), _parts(coupling)
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


def _of_families(found: Mapping[Any, AtomPositions], home: Ids) -> dict[int, list[Any]]:
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


def _parts(coupling: Coupling) -> dict[int, tuple[int, ...]]:
    """Atom -> the parts of split dimensions that it lies in; each part is pruned by itself, so that none is emptied."""
    found: dict[int, tuple[int, ...]] = {}
    for number, ids in enumerate(coupling.findings.parts):
        for atom in set(coupling.labels.spread(ids)[1].tolist()):
            found[atom] = (*found.get(atom, ()), number)
    return found


def _averaged(coupling: Coupling, home: Ids) -> dict[int, dict[str, None]]:
    """Family -> the layers that average over its atoms."""
    found: dict[int, dict[str, None]] = {}
    for node, arrays in coupling.findings.normalised.items():
        for ids in arrays:
            for family in _homes(home, coupling.labels.spread(ids)[1]):
                found.setdefault(family, {})[coupling.modules[node]] = None
    return found


def _named_by_user(coupling: Coupling, protect: Sequence[str]) -> set[int]:
    """Atoms of the layers that the user names, and of what is laid out in blocks with them."""
    if isinstance(protect, str):
        raise InputError(f"'protect' is {protect!r}", "it takes a list of layers", f"write [{protect!r}]")
    if not isinstance(protect, Iterable) or not all(isinstance(pattern, str) for pattern in protect):
        raise InputError(f"'protect' is {protect!r}", "it takes a list of layers", "name them, such as ['output']")
    layers = {name.rpartition(".")[0] or name for name in coupling.tensors}
    atoms: set[int] = set()
    for pattern in protect:
        fits = {layer for layer in layers if fnmatchcase(layer, pattern) or layer.startswith(pattern + ".")}
        if not fits and pattern != "output":
            raise InputError(f"There is no layer {pattern!r} to protect", "", nearest(pattern, layers))
        for name, axes in coupling.tensors.items():
            if (name.rpartition(".")[0] or name) in fits:
                for place, axis in _dims(name, axes):
                    if place not in coupling.findings.consumed:
                        atoms.update(coupling.labels.spread(axis.labels)[1].tolist())
    return atoms


def _group(
    reason: str | None,
    members: list[tuple[str, Member]],
    extents: list[Extent],
    averaged: Iterable[str],
    units: int,
    multiple: int,
) -> ChannelGroup:
    producers, consumers, buffers, divisors = (
        tuple(member for role, member in members if role == wanted) for wanted in ROLES
    )
    return ChannelGroup(
        name=producers[0].layer,
        units=units,
        producers=producers,
        consumers=consumers,
        buffers=buffers,
        divisors=divisors,
        extents=tuple(extents),
        normalised=tuple(averaged),
        multiple=multiple,
        protected=reason,
    )


def _why_alone(coupling: Coupling, atom: int) -> str:
    """What makes one unit of all channels of a group: what lays them out anew, or takes them apart evenly."""
    tying: dict[str, None] = {}
    for graph, values in zip(coupling.graphs, coupling.values, strict=True):
        for node in graph.nodes:
            found = values[node.name] if node.kind in TYING else ()
            axes = [axis for each in (found if isinstance(found, tuple) else (found,)) for axis in each.axes]
            counts = [int((coupling.labels.spread(axis.labels)[1] == atom).sum()) for axis in axes if not axis.is_kept]
            if max(counts, default=0) > 1:
                tying[f"{node.kind} in {node.place}"] = None
    if not tying:
        return "it has a single unit"
    places = list(tying)
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"its channels can only go all together, for they are laid out anew by {', '.join(places[:SHOWN])}{more}"


def _role(coupling: Coupling, place: Place) -> str:
    """What a dimension of a tensor is to the channels along it."""
    if place in coupling.findings.divisors:
        return "divisors"
    if place in coupling.findings.consumed:
        return "consumers"
    return "buffers" if place[0] in coupling.buffers else "producers"


def _extent(coupling: Coupling, number: tuple[str, str], positions: tuple[tuple[int, ...], ...]) -> Extent:
    return Extent(coupling.modules[number[0]], number[0], number[1], len(coupling.findings.counts[number]), positions)


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
    coupling: Coupling, groups: Sequence[ChannelGroup], home: Ids, heads: Heads
) -> Iterator[ChannelGroup]:
    """Groups of which no two divide the same positions, in blocks and across: one of such is left to be pruned."""
    rivals: dict[int, set[int]] = {i: set() for i in range(len(groups))}
    for homes in coupling.labels.meeting(home):
        for i in homes:
            rivals[i] |= homes - {i}
    longest_first = -1 if heads == "whole" else 1

    def preference(i: int) -> tuple[bool, float]:
        # Protected groups come last: they would only keep out a rival of which something can be removed.
        return groups[i].protected is not None, longest_first * _block_length(groups[i]) if rivals[i] else 0

    chosen: set[int] = set()
    for i in sorted(range(len(groups)), key=preference):
        if not rivals[i] & chosen:
            chosen.add(i)
    return (group for i, group in enumerate(groups) if i in chosen)


def _block_length(group: ChannelGroup) -> float:
    """How many positions of a unit follow each other, where most do: a head's size if units are heads, 1 if they are
    the same dimension of every head. What was joined to what does not change it.
    """
    units = (member.indices[0] for member in group.producers if member.indices[0])
    return max(len(at) / (1 + sum(b - a > 1 for a, b in pairwise(at))) for at in units)
