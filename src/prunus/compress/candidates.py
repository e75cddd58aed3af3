"""A network that may be cut further: its channels, what each is worth, and the networks that cutting it gives."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels import ChannelCutter, plan
from prunus.channels.latency_target import LATE, NEAR_ENOUGH
from prunus.compress.choosing import Chooser
from prunus.compress.costs import Costs
from prunus.compress.goals import Goal
from prunus.compress.importance import channel_losses, kept_units, loss_table
from prunus.compress.timing import Tell
from prunus.compress.widths import LEVELS, GroupWidths, Widths, group_widths
from prunus.coupling import channel_groups
from prunus.errors import InputError
from prunus.prune.evidence import Samples
from prunus.prune.patterns.channel import Channel

MOST_TRIED = 6


class Candidate:
    """A network on the CPU, with the groups of channels that can be cut out of it.

    levels: at so many even widths each group is considered. choices: of each group of the unpruned network, where this
    one was cut out of it. widths: what its groups were cut to then.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        protect: Sequence[str] = (),
        round_to: int = 1,
        levels: int = LEVELS,
        choices: Mapping[str, Sequence[int]] | None = None,
        widths: Widths = MappingProxyType({}),
    ) -> None:
        self.model, self.widths = model, widths
        self._cutter = ChannelCutter(model, inputs)
        found = channel_groups(self._cutter.coupling, protect=protect)
        sets = [Channel(round_to=round_to).unit_set(group, model) for group in found if group.protected is None]
        self.groups = group_widths(sets, levels, choices)
        self._worth: tuple[dict[str, Tensor], list[list[float]]] | None = None

    def worth(self, samples: Samples, seconds: float) -> tuple[dict[str, Tensor], list[list[float]]]:
        """What each channel and each choice of each group costs in loss; found once, in so many seconds for either."""
        if self._worth is None:
            losses = channel_losses(self.model, self.groups, samples, seconds)
            self._worth = losses, loss_table(self.model, self.groups, losses, samples, seconds)
        return self._worth

    def cut(self, widths: Widths, losses: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The network at these widths; without losses, with its first channels, for it is measured alone."""
        first = {one.name: torch.arange(one.group.units) < widths[one.name] for one in self.groups}
        kept = kept_units(self.groups, losses, widths) if losses is not None else first
        chosen = plan([one.group for one in self.groups], kept)
        return self._cutter.shrink(self.model, chosen, every_way=losses is not None).model.eval()

    def cut_to(
        self, goal: Goal, budget: float, chooser: Chooser, tell: Tell, tries: int, seconds: float = math.inf
    ) -> tuple[dict[str, int], float]:
        """Widths at which the network costs `budget`, as observed, and what it costs then.

        chooser: of widths for a cost that is computed. seconds: after these, what is within the budget is near enough.
        What the table of the costs says is corrected by what comes true. Raises `InputError` with the least that can
        be had, where that is more.
        """
        costs = _WithOthers(goal.costs, self.widths)
        aim, best, seen = budget, None, set[tuple[int, ...]]()
        began = time.monotonic()
        for _ in range(tries):
            if best is not None and best[1] <= budget * (1 + LATE) and time.monotonic() - began > seconds:
                break
            widths = chooser(costs, aim)
            if widths is None or tuple(widths.values()) in seen:
                break
            seen.add(tuple(widths.values()))
            cost = goal.of(self.cut(widths))
            tell(f"{goal.name} = {budget:.4g} is aimed at: {goal.text(cost)}, of {goal.text(goal.whole)}")
            if best is None or _is_better(cost, best[1], budget):
                best = widths, cost
            if budget * (1 - NEAR_ENOUGH) <= cost <= budget * (1 + LATE):
                break
            aim *= (budget * (1 - NEAR_ENOUGH / 2) / cost) ** 0.8
        if best is not None and best[1] <= budget * (1 + LATE):
            return {**self.widths, **best[0]}, best[1]
        least = least_widths(self.groups, costs)
        cost = goal.of(self.cut(least))
        if cost <= budget * (1 + LATE):
            return {**self.widths, **least}, cost
        raise InputError(
            f"The target {goal.name} = {budget:g} cannot be reached by removing channels",
            f"the least is {goal.text(cost)}, and the unpruned network has {goal.text(goal.whole)}",
            "ask for more, protect less, or choose another runtime",
        )


@dataclass(frozen=True)
class _WithOthers:
    """Costs at the widths of some groups, where those of the others stay."""

    costs: Costs
    others: Widths

    def total(self, widths: Widths) -> float:
        return self.costs.total({**self.others, **widths})


def _is_better(cost: float, than: float, budget: float) -> bool:
    """Within the budget comes first, then what is nearest to it."""
    reached, was = cost <= budget * (1 + LATE), than <= budget * (1 + LATE)
    return reached if reached != was else abs(cost - budget) < abs(than - budget)


def least_widths(groups: Sequence[GroupWidths], costs: Costs) -> dict[str, int]:
    """The widths at which the network is predicted to cost least: every group at its cheapest, one after the other."""
    widths = {one.name: min(one.choices) for one in groups}
    for one in groups:
        cost_of = {left: costs.total({**widths, one.name: left}) for left in one.choices}
        widths[one.name] = min(one.choices, key=cost_of.__getitem__)
    return widths
