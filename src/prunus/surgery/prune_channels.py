"""Pruning a model by channels in one call: find groups, choose units, cut, prove, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from prunus.errors import InputError
from prunus.graph import ChannelGroup, channel_groups, wire_model
from prunus.graph.grouping import Heads
from prunus.graph.inventory import held_tensors, unchanged
from prunus.pauses import without_pauses
from prunus.surgery.amounts import Costs, costs_of
from prunus.surgery.choice import Allocation, Scores, by_magnitude, check_limits, choose, uniform
from prunus.surgery.plan import Plan, plan
from prunus.surgery.removed import kept_after
from prunus.surgery.report import ShrinkReport, channels, group_rows
from prunus.surgery.shrink import Shrunk, Surgeon


@dataclass(frozen=True)
class Pruned:
    """A smaller model, the plan that made it, and what that achieved."""

    model: nn.Module
    plan: Plan
    report: ShrinkReport


@without_pauses()
def prune_channels(
    model: nn.Module,
    example_inputs: Any,
    rate: float,
    *,
    scores: Scores = by_magnitude,
    allocation: Allocation = uniform,
    protect: Sequence[str] = (),
    round_to: int = 1,
    floor: int = 1,
    heads: Heads = "whole",
) -> Pruned:
    """Remove a share of the channels; the model passed in is untouched.

    example_inputs: a tensor, a tuple of positional arguments or a dictionary of named ones.
    rate: share of each group's channels that goes, 0 <= rate < 1.
    scores: of the units of all groups, by the group's name; the lowest go.
    allocation: how the rate is shared among groups. protect: layers by name or pattern; outputs always are.
    round_to: channels that are left are a multiple of this. floor: channels that are left at least.
    heads: attention heads and groups of convolutions go `whole`, or lose the same `dimensions` each.

    Raises `InputError` if the model can't be traced, or nothing in it can be pruned; `DifferenceError` if the result
    can't be proven equal to the masked model.
    """
    check_limits(rate, round_to, floor)
    with unchanged(model):
        _check_values(model)
        wiring = wire_model(model, example_inputs)
    groups = channel_groups(wiring, protect=protect, heads=heads)
    chosen = _chosen(model, groups, rate, scores, allocation, round_to, floor)
    with unchanged(model):
        kept = kept_after(wiring, chosen)
        small = Surgeon(model, example_inputs, wiring).shrink(model, chosen, kept)
        costs = costs_of(model, small.model, example_inputs, wiring, kept)
    return Pruned(small.model, chosen, _report(small, chosen, groups, costs, rate, round_to))


def _check_values(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(
            f"An object of type {type(model).__name__} can't be pruned", "it is not a torch.nn.Module", "give a network"
        )
    held = held_tensors(model).items()
    if meta := [name for name, tensor in held if isinstance(tensor, nn.Parameter) and tensor.is_meta]:
        raise InputError(
            f"{meta[0]!r} is on the meta device", "it has no values, so its channels can't be compared", "load weights"
        )


def _chosen(
    model: nn.Module,
    groups: Sequence[ChannelGroup],
    rate: float,
    scores: Scores,
    allocation: Allocation,
    round_to: int,
    floor: int,
) -> Plan:
    open_to_pruning = [group for group in groups if group.protected is None]
    if not open_to_pruning:
        reasons = dict.fromkeys(f"{group.name!r}: {group.protected}" for group in groups)
        raise InputError(
            "Nothing in this model can be pruned by channels", "; ".join(list(reasons)[:3]), "protect less"
        )
    found = scores(model, open_to_pruning)
    return plan(groups, choose(found, allocation(found, rate), groups, round_to, floor))


def _report(
    small: Shrunk, chosen: Plan, groups: Sequence[ChannelGroup], costs: Costs, rate: float, round_to: int
) -> ShrinkReport:
    rows = group_rows(groups, chosen)
    return ShrinkReport(
        rate=rate,
        round_to=round_to,
        groups=rows,
        channels=channels(rows),
        parameters=costs.parameters,
        macs=costs.macs,
        bops=costs.bops,
        deviation=small.deviation,
        form=small.form,
        adapted=small.adapted,
        fixed_batch=small.fixed_batch,
        evaluation_only=small.evaluation_only,
        normalised=chosen.normalised,
        not_counted=costs.not_counted,
    )
