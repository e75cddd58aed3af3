"""Pruning a model by channels whose scores are given: find groups, choose units, cut, prove, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from prunus.channels.choice import Allocation, Scores, check_limits, check_scores, choose
from prunus.channels.outputs import changed_outputs
from prunus.channels.parts import parts_of
from prunus.channels.plan import Plan, plan
from prunus.channels.removed import kept_after
from prunus.channels.report import Amount, ShrinkReport, channels, group_rows
from prunus.channels.shrink import ChannelCutter, Shrunk, shrink
from prunus.cost import bops, count_costs
from prunus.cost.traced import traced_macs, traced_shapes
from prunus.coupling import ChannelGroup, Coupling, channel_groups, couple_model
from prunus.coupling.grouping import Heads
from prunus.coupling.outputs import Outputs
from prunus.errors import InputError
from prunus.labels.axes import Axes
from prunus.labels.labels import KeepMask
from prunus.trace.inventory import held_tensors, modules_of, unchanged, unwrapped


@dataclass(frozen=True)
class Pruned:
    """What `prune_channels` returns.

    Attributes:
        model: the smaller network.
        plan: what was cut where.
        report: what was asked, what was achieved, and how it was proven.
    """

    model: nn.Module
    plan: Plan
    report: ShrinkReport


def prune_by_scores(
    model: nn.Module,
    example_inputs: Any,
    rate: float,
    *,
    scores: Scores,
    allocation: Allocation,
    protect: Sequence[str] = (),
    round_to: int = 1,
    floor: int = 1,
    heads: Heads = "whole",
    outputs: Outputs = None,
) -> Pruned:
    """Remove a share of the channels; the model passed in is untouched.

    A model that is compiled or trained in parallel comes back without that.

    example_inputs: a tensor, a tuple of positional arguments or a dictionary of named ones.
    rate: share of each group's channels that goes, 0 <= rate < 1.
    scores: of the units of all groups, by the group's name; the lowest go.
    allocation: how the rate is shared among groups. protect: layers by name or pattern.
    round_to: channels that are left are a multiple of this. floor: channels that are left at least.
    heads: attention heads and groups of convolutions go `whole`, or lose the same `dimensions` each.
    outputs: those that keep their width, as in `channel_groups`.

    Raises `InputError` if the model does not run, or nothing in it can be pruned; `DifferenceError` if the result
    can't be proven equal to the masked model.
    """
    model = unwrapped(model)
    check_limits(rate, round_to, floor)
    with unchanged(model):
        _check_values(model)
        coupling = couple_model(model, example_inputs, outputs)
    groups = channel_groups(coupling, protect=protect, heads=heads)
    _check_open(model, groups, coupling.graphs[0].untraced)
    chosen = _chosen(model, groups, rate, scores, allocation, round_to, floor)
    with unchanged(model):
        kept = kept_after(coupling, chosen)
        small = ChannelCutter(model, example_inputs, coupling).shrink(model, chosen, kept)
        costs = costs_of(model, small.model, example_inputs, coupling, kept)
    report = _report(small, chosen, groups, costs, rate, round_to)
    more = {
        "changed_outputs": changed_outputs(coupling, kept),
        "untraced": coupling.graphs[0].untraced,
        "parts": parts_of(model, coupling, groups, chosen),
    }
    return Pruned(small.model, chosen, report.model_copy(update=more))


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


def _check_open(model: nn.Module, groups: Sequence[ChannelGroup], untraced: str) -> None:
    """Raises `InputError` where no group can be pruned."""
    if all(group.protected for group in groups):
        what = "Nothing in this model can be pruned by channels"
        if untraced:
            what = f"{type(model).__name__} can't be traced as a whole, and nothing in it can be pruned in parts"
        reasons = dict.fromkeys(f"{group.name!r}: {group.protected}" for group in groups)
        why = "; ".join([untraced] * bool(untraced) + list(reasons)[:3]) or "it has no channels between two layers"
        raise InputError(what, why, "protect less, or set single weights to zero, as the recipe 'unstructured' does")


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
    found = scores(model, open_to_pruning)
    check_scores(found, open_to_pruning)
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
        fixed_sizes=small.fixed_sizes,
        retraced=small.retraced,
        lost=small.lost,
        caches=small.caches,
        normalised=chosen.normalised,
        ways=small.ways,
        configured=small.configured,
        not_counted=costs.not_counted,
    )


BITS = 32


@dataclass(frozen=True)
class Costs:
    """For one input. not_counted: operations of the smaller network whose MACs are not known -> calls."""

    parameters: Amount
    macs: Amount
    bops: Amount
    not_counted: dict[str, int] = field(default_factory=dict)


def costs_of(model: nn.Module, small: nn.Module, example_inputs: Any, coupling: Coupling, kept: KeepMask) -> Costs:
    """Read off the graph where all products in it are known; else both networks are run to count them.

    kept: what is left of the coupled model in the smaller one, which is proven to compute the same.
    """
    graph, values = coupling.graphs[0], coupling.values[0]

    def left(name: str) -> tuple[int, ...]:
        axes: Axes = values[name] if name in values else coupling.tensors[graph.tensors.name_of(name)]
        return kept.shape(axes)

    if (macs := traced_macs(graph, traced_shapes(graph), left)) is not None:
        return _costs([_parameters(one) for one in (model, small)], macs)
    counts = count_costs((model, small), example_inputs, weight_bits=BITS, activation_bits=BITS)
    found = _costs([one.parameters for one in counts], [one.dense_macs for one in counts])
    return Costs(found.parameters, found.macs, found.bops, dict(counts[1].not_counted))


def _costs(parameters: Sequence[int], macs: Sequence[int]) -> Costs:
    bit_operations = [bops(one, BITS, BITS) for one in macs]
    amounts = [Amount(before=before, after=after) for before, after in (parameters, macs, bit_operations)]
    return Costs(amounts[0], amounts[1], amounts[2])


def _parameters(model: nn.Module) -> int:
    held = (parameter for module in modules_of(model) for parameter in module._parameters.values())
    return sum({id(each): each.numel() for each in held if each is not None}.values())


def cut(model: nn.Module, plan: Plan, example_inputs: Any, outputs: Outputs = None) -> nn.Module:
    """A smaller copy that is proven to compute what the masked model computes; the model passed in is untouched.

    Args:
        model: that the plan was made for.
        plan: what goes, as `prunus.plan` spells it out.
        example_inputs: as the network takes them: a tensor, a tuple, a dictionary of named arguments.
        outputs: those that keep their width, as in `channel_groups`.

    Returns:
        The smaller network. `prunus.shrink` gives the report of what was proven as well.

    Raises:
        InputError: the plan was made for another model.
        DifferenceError: the smaller network does not compute what the masked one does.

    Example:
        >>> import torch, prunus
        >>> x = torch.ones(1, 8)
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
        >>> prunus.cut(model, prunus.plan(prunus.channel_groups(model, x), {"0": [0, 2, 5]}), x)[0].out_features
        3
    """
    return shrink(model, plan, example_inputs, outputs=outputs).model
