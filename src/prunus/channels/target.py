"""Channel pruning to a target: the rates at which the cut network has the cost or the latency that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from prunus.channels import ChannelCutter, Pruned, plan
from prunus.channels.choice import Scores
from prunus.channels.cost_model import cost_model_of, left_by_cutting
from prunus.channels.cost_target import check_reached, find_counts
from prunus.channels.latency_target import Found, Tell, find_latency
from prunus.channels.report import Amount, Target
from prunus.coupling import ChannelGroup
from prunus.coupling.outputs import Outputs
from prunus.prune.allocations import Allocation
from prunus.prune.patterns.channel import Channel
from prunus.prune.units import UnitSet


@dataclass
class ChannelTarget:
    """One search: `watched` sees the groups and their scores, `rates` finds what goes, `reported` tells of it."""

    model: nn.Module
    example_inputs: Any
    allocation: Allocation
    pattern: Channel
    tell: Tell
    outputs: Outputs = None
    found: Found | None = None
    sets: tuple[UnitSet, ...] = ()

    def watched(self, scores: Scores) -> Scores:
        """Scores that remember the units that they are asked for."""

        def remembering(model: nn.Module, groups: Sequence[ChannelGroup]) -> Mapping[str, Tensor]:
            self.sets = tuple(self.pattern.unit_set(group, model) for group in groups)
            return scores(model, groups)

        return remembering

    def rates(self, scores: Mapping[str, Tensor], _rate: float) -> dict[str, float]:
        """The share of each group's units that goes. Raises `InputError` where the target cannot be reached."""
        self.allocation.check(self.sets)
        ranked = [scores[one.name] for one in self.sets]
        counts = self._by_latency(ranked) if self.allocation.counted is None else self._by_count(ranked)
        return {one.name: count / one.units for one, count in zip(self.sets, counts, strict=True)}

    def reported(self, pruned: Pruned) -> Pruned:
        """With asked and achieved in the report, and the share of the channels that it took."""
        report = pruned.report
        open_rows = [row for row in report.groups if row.protected is None]
        rate = 1 - sum(row.kept for row in open_rows) / sum(row.units for row in open_rows)
        return replace(pruned, report=report.model_copy(update={"rate": rate, "target": self._target(pruned)}))

    def _target(self, pruned: Pruned) -> Target:
        if self.found is not None:
            return Target(
                kind="latency_ms", asked=self.found.asked_ms, achieved=self.found.timed.p50_ms, how=self.found.how
            )
        kind, asked = self.allocation.target or ("", 0.0)
        amount: Amount = getattr(pruned.report, "parameters" if kind == "params" else kind)
        return Target(kind=kind, asked=asked, achieved=amount.ratio, how="computed")

    def _by_count(self, scores: Sequence[Tensor]) -> list[int]:
        costs = cost_model_of(self.model, self.example_inputs, self.allocation.counted or "params")
        left_of = None
        if not costs.all_of_weights:
            left_of = left_by_cutting(costs, self._cutter, self.model, self.sets, self.example_inputs)
        left = self.allocation.left(0)
        counts = find_counts(costs, self.allocation, self.sets, scores, left, left_of)
        check_reached(costs, self.sets, scores, counts, left, left_of)
        return counts

    def _by_latency(self, scores: Sequence[Tensor]) -> list[int]:
        def counts_at(rate: float) -> list[int]:
            counts = self.allocation.counts(self.sets, scores, rate)
            return [one.rounded(count) for one, count in zip(self.sets, counts, strict=True)]

        self.found = find_latency(
            self.model,
            self.example_inputs,
            self.allocation,
            lambda rate: self._cut(scores, counts_at(rate)),
            self.tell,
        )
        return counts_at(self.found.rate)

    def _cut(self, scores: Sequence[Tensor], counts: Sequence[int]) -> nn.Module:
        groups = [one.group for one in self.sets if one.group is not None]
        kept = {one.name: ~one.lowest(s, one.rounded(n)) for one, s, n in zip(self.sets, scores, counts, strict=True)}
        return self._cutter.shrink(self.model, plan(groups, kept), every_way=False).model

    @cached_property
    def _cutter(self) -> ChannelCutter:
        return ChannelCutter(self.model, self.example_inputs, outputs=self.outputs)
