"""The groups of coupled channels of a network, and the widths at which each of them is considered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunus.coupling import ChannelGroup
from prunus.errors import InputError
from prunus.prune.units import UnitSet

LEVELS = 8
"""Widths are multiples of this share of a group, 1/8, as far as it has so many units."""


@dataclass(frozen=True)
class GroupWidths:
    """One group of coupled channels, and the numbers of its units that may be left, from all of them down."""

    units: UnitSet
    group: ChannelGroup
    choices: tuple[int, ...]

    @property
    def name(self) -> str:
        """The first layer that makes the channels."""
        return self.group.name


Widths = Mapping[str, int]
"""Group -> how many of its units are left."""


def group_widths(
    sets: Sequence[UnitSet], levels: int = LEVELS, choices: Mapping[str, Sequence[int]] | None = None
) -> tuple[GroupWidths, ...]:
    """The groups with their choices.

    choices: those of the unpruned network's groups, where this one was cut out of it; some of them are left.
    Raises `InputError` where no group can be narrowed.
    """
    found = []
    for one in sets:
        if one.group is not None and (choices is None or one.name in choices):
            known = choices_of(one, levels) if choices is None else choices[one.name]
            found.append(GroupWidths(one, one.group, tuple(left for left in known if left <= one.units)))
    found = [one for one in found if choices is not None or len(one.choices) > 1]
    if not found:
        raise InputError(
            "No channel of this network can be removed",
            "every group of channels is protected, has one unit alone, or cannot be followed",
            "see `prunus inspect` for the reasons, and protect less",
        )
    return tuple(found)


def choices_of(one: UnitSet, levels: int = LEVELS) -> tuple[int, ...]:
    """Numbers of units that may be left of a group, from all of them down to one level.

    >>> choices_of(UnitSet("conv", 16, {}, {}), levels=4), choices_of(UnitSet("heads", 3, {}, {}), levels=4)
    ((16, 12, 8, 4), (3, 2, 1))
    """
    wanted = (round(one.units * level / levels) for level in range(levels, 0, -1))
    left = (one.units - one.rounded(one.units - max(1, units)) for units in wanted)
    return tuple(dict.fromkeys(left))


def whole(groups: Sequence[GroupWidths]) -> dict[str, int]:
    """The widths of the network as it is."""
    return {one.name: one.group.units for one in groups}


def uniform(groups: Sequence[GroupWidths], share: float) -> dict[str, int]:
    """An even share of every group, at the nearest choice."""
    return {one.name: min(one.choices, key=lambda left: abs(left - share * one.group.units)) for one in groups}
