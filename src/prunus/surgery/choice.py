"""Which units of which group go: by a score, shared out by an allocation, within the limits that the user sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.graph import ChannelGroup
from prunus.graph.forest import Ids
from prunus.graph.group import Positions
from prunus.graph.inventory import held_tensors
from prunus.prune.rounding import rounded_units, step_of

Score: TypeAlias = Callable[[nn.Module, ChannelGroup], Tensor]
Scores: TypeAlias = Callable[[nn.Module, Sequence[ChannelGroup]], Mapping[str, Tensor]]
Numbers: TypeAlias = NDArray[np.float64]
Allocation: TypeAlias = Callable[[Mapping[str, Tensor], float], Mapping[str, float]]
CACHED = 2**17  # numbers in double precision
TINY = float(np.finfo(np.float64).tiny)


def magnitude(model: nn.Module, group: ChannelGroup) -> Tensor:
    """Size of each unit, shape (units,): its L2 norm over the weights that make it, relative to the group's mean."""
    return by_magnitude(model, [group])[group.name]


def by_magnitude(model: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Tensor]:
    """`magnitude` of the units of all groups."""
    held = held_tensors(model)
    with np.errstate(all="ignore"):
        return {group.name: torch.from_numpy(_magnitude(held, group)) for group in groups}


def _magnitude(held: Mapping[str, Tensor], group: ChannelGroup) -> Numbers:
    weights = [member for member in group.producers if held[member.parameter].dim() > 1] or group.producers
    distinct = {id(member.indices): member.indices for member in weights}  # most have the same
    places = {key: _places(indices) for key, indices in distinct.items()}
    total = np.zeros(group.units)
    for member in weights:
        at, units = places[id(member.indices)]
        norms = _norms(held[member.parameter].detach(), member.dim)[at]
        if units is not None:
            norms = np.sqrt(np.bincount(units, np.square(norms), group.units))
        total += norms / max(np.add.reduce(norms) / len(norms), TINY)
    return total


def _places(indices: Positions) -> tuple[Ids, Ids | None]:
    """All positions, and the unit of each, None where each unit has one."""
    at = np.fromiter(chain.from_iterable(indices), dtype=np.int64)
    counts = list(map(len, indices))
    return at, None if counts.count(1) == len(counts) else np.repeat(np.arange(len(counts)), counts)


def _norms(weight: Tensor, dim: int) -> Numbers:
    """L2 norm of each position along a dimension; of large weights a few at a time, which stay in the cache."""
    weight, count = weight.abs() if weight.is_complex() else weight, weight.shape[dim]
    rows = weight.movedim(dim, 0).reshape(count, -1)
    few = 1 + CACHED * count // weight.numel()
    parts = torch.split(rows, few) if count > few else (rows,)
    norms = [torch.linalg.vector_norm(part, dim=1, dtype=torch.float64) for part in parts]
    return (torch.cat(norms) if len(norms) > 1 else norms[0]).numpy(force=True)


def each(score: Score) -> Scores:
    """Scores of all groups from the score of one."""
    return lambda model, groups: {group.name: score(model, group) for group in groups}


def uniform(scores: Mapping[str, Tensor], rate: float) -> dict[str, float]:
    """The same rate for every group."""
    return dict.fromkeys(scores, rate)


def together(scores: Mapping[str, Tensor], rate: float) -> dict[str, float]:
    """All units ranked together: groups whose units score low lose more."""
    everything = torch.cat(list(scores.values()))
    count = round(rate * len(everything))
    lowest = torch.zeros(len(everything), dtype=torch.bool)
    lowest[torch.argsort(everything, stable=True)[:count]] = True
    parts = torch.split(lowest, [len(score) for score in scores.values()])
    return {name: float(part.double().mean()) for name, part in zip(scores, parts, strict=True)}


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
            count = kept_count(group.units, group.width, rates[group.name], round_to, floor)
            order = torch.argsort(scores[group.name], stable=True)
            keep[group.name] = sorted(order[group.units - count :].tolist())
    return keep


def kept_count(units: int, width: int, rate: float, round_to: int, floor: int) -> int:
    """How many units are left.

    >>> kept_count(units=64, width=1, rate=0.5, round_to=1, floor=1)
    32
    >>> kept_count(units=20, width=1, rate=0.5, round_to=8, floor=1)
    8
    >>> kept_count(units=3, width=64, rate=0.5, round_to=1, floor=1)
    2
    """
    wanted = math.floor(units * (1 - rate) + 0.5)
    return rounded_units(units, wanted, step_of(round_to, width), math.ceil(floor / width))


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
