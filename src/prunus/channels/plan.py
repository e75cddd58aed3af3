"""What is removed where, as data: printable, JSON, applicable to another copy of the model."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pydantic import Field, NonNegativeInt, ValidationError

from prunus.coupling import ChannelGroup
from prunus.errors import InputError, nearest
from prunus.spec.part import Frozen
from prunus.system.html import table


class Cut(Frozen):
    """Positions of one dimension of one tensor that go.

    zero: whether masking sets them to zero; not what something is divided by, such as variances.
    """

    tensor: str
    dim: int = Field(ge=0)
    removed: tuple[NonNegativeInt, ...] = Field(min_length=1)
    zero: bool = True


class Change(Frozen):
    """A number written into a module, such as `groups` of a convolution, that becomes smaller."""

    module: str
    argument: str
    before: int
    after: int = Field(ge=1)


class Plan(Frozen):
    """A cut, before it is made: data, that can be printed, written as JSON and applied to another copy of the model.

    Attributes:
        removed: group -> its units that go.
        cuts: all positions of all tensors that follow from it.
        changes: numbers in modules that follow from it.
        normalised: layers that average over channels of which some go: the shrunk network is then another function of
            the weights than the masked one, for it averages over the kept channels alone.

    Example:
        >>> text = '{"removed": {"0": [1]}, "cuts": [{"tensor": "0.weight", "dim": 0, "removed": [1]}]}'
        >>> Plan.from_json(text).by_tensor()
        {'0.weight': {0: (1,)}}
    """

    removed: dict[str, tuple[int, ...]]
    cuts: tuple[Cut, ...]
    changes: tuple[Change, ...] = ()
    normalised: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """A plan from what `model_dump_json` wrote. Raises `InputError`, which names the key, for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(
                "This is not a plan of a cut", f"{place!r}: {first['msg']}" if place else first["msg"], "write it anew"
            ) from None

    def _repr_html_(self) -> str:
        """What is cut of each tensor as a table, in a notebook."""
        rows = [[cut.tensor, str(cut.dim), f"{len(cut.removed):,}"] for cut in self.cuts]
        return table(
            f"A cut of {len(self.removed)} groups of channels", ("tensor", "dimension", "positions that go"), rows
        )

    def by_tensor(self) -> dict[str, dict[int, tuple[int, ...]]]:
        """Tensor -> dimension -> positions that go."""
        found: dict[str, dict[int, tuple[int, ...]]] = {}
        for cut in self.cuts:
            found.setdefault(cut.tensor, {})[cut.dim] = cut.removed
        return found

    def beyond(self, before: Plan | None) -> dict[str, dict[int, tuple[int, ...]]]:
        """As `by_tensor`, but for tensors from which another plan has already taken a part of this one's positions."""
        earlier = before.by_tensor() if before is not None else {}
        return {
            tensor: {dim: _renumbered(gone, earlier.get(tensor, {}).get(dim, ())) for dim, gone in dims.items()}
            for tensor, dims in self.by_tensor().items()
        }

    def after(self, earlier: Plan) -> Plan:
        """What this plan and an earlier one, which left what this one was made for, take together, as cuts alone."""
        found = earlier.by_tensor()
        zero = {(cut.tensor, cut.dim): cut.zero for cut in (*earlier.cuts, *self.cuts)}
        for tensor, dims in self.by_tensor().items():
            known = found.setdefault(tensor, {})
            for dim, removed in dims.items():
                before = known.get(dim, ())
                known[dim] = tuple(sorted({*before, *_numbered_before(removed, before)}))
        places = [(tensor, dim, removed) for tensor, dims in found.items() for dim, removed in dims.items()]
        cuts = tuple(Cut(tensor=t, dim=d, removed=removed, zero=zero[t, d]) for t, d, removed in places)
        return Plan(removed={}, cuts=cuts)


def _numbered_before(left: Sequence[int], gone: Sequence[int]) -> Iterator[int]:
    """Which positions those were that are left after others went.

    >>> list(_numbered_before((0, 1, 2), gone=(0, 3)))
    [1, 2, 4]
    """
    for position in left:
        for earlier in gone:
            position += earlier <= position
        yield position


def _renumbered(gone: Sequence[int], earlier: Sequence[int]) -> tuple[int, ...]:
    """Positions that go after earlier ones went.

    >>> _renumbered((0, 2, 3, 5), earlier=(0, 3))
    (1, 3)
    """
    already = set(earlier)
    return tuple(position - bisect(earlier, position) for position in gone if position not in already)


def plan(groups: Sequence[ChannelGroup], keep: Mapping[str, Sequence[int] | Sequence[bool] | Any]) -> Plan:
    """Spell out what follows when only these units are kept.

    Args:
        groups: of the network, from `prunus.channel_groups`.
        keep: group name -> units to keep, or one boolean per unit (a list, an array or a tensor); other groups stay
            whole.

    Returns:
        What goes of which tensor. It is plain data, and can be printed, stored and looked through.

    Raises:
        InputError: a group is unknown or protected, a unit does not exist, or a group is left empty.

    Example:
        >>> import torch, prunus
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
        >>> prunus.plan(prunus.channel_groups(model, torch.ones(1, 8)), {"0": [0, 2, 5]}).removed
        {'0': (1, 3, 4)}
    """
    known = {group.name: group for group in groups}
    removed: dict[str, tuple[int, ...]] = {}
    for name, wanted in keep.items():
        if name not in known:
            raise InputError(f"There is no channel group {name!r}", "", nearest(name, known))
        gone = tuple(sorted(set(range(known[name].units)) - kept_units(known[name], wanted)))
        if gone and (reason := known[name].protected):
            raise InputError(f"The channels of {name!r} can't be removed", reason, "leave the group out")
        if gone:
            removed[name] = gone
    chosen = [(known[name], units) for name, units in removed.items()]
    normalised = tuple(dict.fromkeys(layer for group, _ in chosen for layer in group.normalised))
    return Plan(removed=removed, cuts=_cuts(chosen), changes=_changes(chosen), normalised=normalised)


def kept_units(group: ChannelGroup, wanted: Any) -> set[int]:
    """Units to keep as a set of numbers, from numbers or booleans."""
    values = wanted.tolist() if hasattr(wanted, "tolist") else list(wanted)
    if values and all(isinstance(value, bool) for value in values):
        if len(values) != group.units:
            raise InputError(f"{group.name!r} has {group.units} units, not {len(values)}", "", "give one boolean each")
        values = [unit for unit, kept in enumerate(values) if kept]
    units = {int(value) for value in values}
    if not units:
        raise InputError(f"Nothing would be left of {group.name!r}", "", "keep at least one unit")
    if beyond := units - set(range(group.units)):
        raise InputError(f"{group.name!r} has no unit {min(beyond)}", f"it has {group.units}", "check the numbers")
    return units


def _positions(indices: Sequence[Iterable[int]], units: Iterable[int]) -> set[int]:
    return set(chain.from_iterable(map(indices.__getitem__, units)))


def _of_group(group: ChannelGroup, units: tuple[int, ...]) -> Iterator[tuple[tuple[str, int, bool], set[int]]]:
    """Dimensions of tensors, whether they are set to zero, and what goes; equal indices are the same object."""
    known: dict[int, set[int]] = {}
    for zero, members in ((True, group.members), (False, group.divisors)):
        for member in members:
            at = id(member.indices)
            if at not in known:
                known[at] = _positions(member.indices, units)
            yield (member.parameter, member.dim, zero), known[at]


def _cuts(chosen: Sequence[tuple[ChannelGroup, tuple[int, ...]]]) -> tuple[Cut, ...]:
    gone: dict[tuple[str, int, bool], set[int]] = {}
    for group, units in chosen:
        for place, positions in _of_group(group, units):
            gone[place] = gone[place] | positions if place in gone else positions
    in_order = {id(at): tuple(sorted(at)) for at in gone.values()}  # many places have the very same ones
    return tuple(
        Cut.model_construct(tensor=t, dim=d, removed=in_order[id(at)], zero=z) for (t, d, z), at in gone.items() if at
    )


def _changes(chosen: Sequence[tuple[ChannelGroup, tuple[int, ...]]]) -> tuple[Change, ...]:
    """Numbers that become the same wherever the module has them; where they don't, it is not the module that has them.

    A forward may call an operation several times with the same number, which counts something else in each call.
    """
    gone: dict[tuple[str, str, int], dict[str, set[int]]] = {}
    for group, units in chosen:
        for extent in group.extents:
            calls = gone.setdefault((extent.module, extent.argument, extent.count), {})
            calls.setdefault(extent.call, set()).update(_positions(extent.indices, units))
    left = {number: {number[2] - len(at) for at in calls.values()} for number, calls in gone.items()}
    return tuple(
        Change(module=module, argument=argument, before=count, after=min(after))
        for (module, argument, count), after in left.items()
        if len(after) == 1 and after != {count}
    )
