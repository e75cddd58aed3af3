"""Which units of which group go: by a score, shared out by an allocation, within the limits that the user sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import TypeAlias

import torch
from torch import Tensor, nn

from prunus.coupling import ChannelGroup
from prunus.errors import InputError, NotFiniteError
from prunus.prune.units import rounded_units, step_of

Score: TypeAlias = Callable[[nn.Module, ChannelGroup], Tensor]
Scores: TypeAlias = Callable[[nn.Module, Sequence[ChannelGroup]], Mapping[str, Tensor]]
Allocation: TypeAlias = Callable[[Mapping[str, Tensor], float], Mapping[str, float]]


def each(score: Score) -> Scores:
    """Scores of all groups from the score of one."""
    return lambda model, groups: {group.name: score(model, group) for group in groups}


def choose(
    scores: Mapping[str, Tensor], rates: Mapping[str, float], groups: Sequence[ChannelGroup], round_to: int, floor: int
) -> dict[str, list[int]]:
    """Units to keep of each group: those with the highest scores, the first of equals going first.

    round_to: channels of a layer that are left are a multiple of this, where the layer is big enough.
    floor: at least so many channels of a layer are left.
    """
    keep = {}
    for group in groups:
        if group.name in scores:
            count = kept_count(group.units, group.width, rates[group.name], round_to, floor, group.multiple)
            order = torch.argsort(scores[group.name], stable=True)
            keep[group.name] = sorted(order[group.units - count :].tolist())
    return keep


def check_scores(scores: Mapping[str, Tensor], groups: Sequence[ChannelGroup]) -> None:
    """Raises `InputError` for scores that are not one finite number for each unit of each group."""
    for group in groups:
        score = scores.get(group.name)
        what = f"The scores of the channels of {group.name!r} cannot be used"
        do = f"give a tensor of {group.units} finite numbers, one for each unit"
        if not isinstance(score, Tensor) or score.shape != (group.units,) or score.is_complex():
            there = f"a tensor of the shape {tuple(score.shape)}" if isinstance(score, Tensor) else repr(score)
            raise InputError(what, f"the criterion gave {there}", do)
        if not score.isfinite().all():
            worst = int((~score.isfinite()).nonzero()[0])
            raise NotFiniteError(
                what, f"that of unit {worst} is {float(score[worst])}, or its weights are not finite", do
            )


def kept_count(units: int, width: int, rate: float, round_to: int, floor: int, multiple: int = 1) -> int:
    """How many units are left, a multiple of `multiple` in any case.

    >>> kept_count(units=64, width=1, rate=0.5, round_to=1, floor=1)
    32
    >>> kept_count(units=20, width=1, rate=0.5, round_to=8, floor=1)
    8
    >>> kept_count(units=3, width=64, rate=0.5, round_to=1, floor=1)
    2
    """
    wanted = math.floor(units * (1 - rate) + 0.5)
    return rounded_units(units, wanted, math.lcm(step_of(round_to, width), multiple), math.ceil(floor / width))


def check_limits(rate: float, round_to: int, floor: int) -> None:
    """Raises `InputError` for a rate outside [0, 1), or limits below 1."""
    if not isinstance(rate, Real) or not 0 <= float(rate) < 1:
        raise InputError(
            f"The rate {rate!r} can't be used", "it is the share of channels to remove", "give 0 <= rate < 1"
        )
    if not all(isinstance(one, Integral) and one >= 1 for one in (round_to, floor)):
        raise InputError(
            f"round_to={round_to!r}, floor={floor!r} can't be used", "both count channels", "give 1 or more"
        )
