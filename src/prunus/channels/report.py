"""What a cut asked for and what it achieved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from prunus.channels.outputs import ChangedOutput
from prunus.channels.parts import NetworkPart
from prunus.channels.plan import Plan
from prunus.coupling import ChannelGroup
from prunus.graph.interface import FixedSize
from prunus.proof import Way
from prunus.spec.part import Frozen

NAMED = 8
"""How many methods are named in a printed report."""

WORDS = {
    "refused": "not taken, though the unpruned model takes it",
    "not compared": "not compared with the masked model",
}
"""Outcomes of a way of calling that a reader must know of."""


class GroupRow(Frozen):
    """One group: how many of its units are left, and why not fewer."""

    name: str
    layers: tuple[str, ...]
    units: int
    kept: int
    protected: str | None
    normalised: tuple[str, ...]


class Amount(Frozen):
    """A quantity before and after."""

    before: int
    after: int

    @property
    def ratio(self) -> float:
        """After over before."""
        return self.after / self.before if self.before else 1.0


class Target(Frozen):
    """A cost that was asked for, and what came of it: a share of the unpruned network's, or milliseconds.

    how: `computed`, or how it was measured, and where.
    """

    kind: str
    asked: float
    achieved: float
    how: str

    def __str__(self) -> str:
        return f"asked for {self.kind} = {self.asked:g}, achieved {self.achieved:.4g} ({self.how})"


class ShrinkReport(Frozen):
    """Asked and achieved, and how it was proven.

    Attributes:
        rate: the share of channels that was asked for.
        round_to: what is left of a group is a multiple of this.
        groups: how many units each has and keeps, and why not fewer.
        channels: of all groups, before and after.
        parameters: before and after.
        macs: for one input, before and after.
        bops: at 32 bits, before and after.
        deviation: largest difference between shrunk and masked model over the largest output.
        form: `class` if the result is the user's own class, `graph` if sizes written into its forward were rewritten.
        adapted: attributes of the user's modules that were changed beside those of known layers.
        fixed_batch: why the result runs at the traced batch size only, if so.
        evaluation_only: operations that the network did in training alone; a traced graph has them no more.
        fixed_sizes: of the arguments that a graph takes by itself.
        retraced: whether the class is traced for all other sizes.
        lost: methods of the class that the result has no more.
        caches: what the class returns as a cache of keys and values, and a graph as None.
        normalised: layers that average over pruned channels: there the result is another function of the weights than
            the masked model; the proof is made against averages over the kept channels.
        ways: other ways of calling that the unpruned network takes, and whether the shrunk one agrees with the masked
            one.
        configured: fields of a model's configuration that were changed; None if no configuration says what it is.
        not_counted: operations whose MACs are not known -> calls.
        changed_outputs: those that have another width now; they were compared on the channels that are left.
        untraced: why the network can't be traced as a whole, if so.
        parts: what came of each of its parts then.
        target: what decided on the rate, where that was not given.
    """

    rate: float
    round_to: int
    groups: tuple[GroupRow, ...]
    channels: Amount
    parameters: Amount
    macs: Amount
    bops: Amount
    deviation: float
    form: Literal["class", "graph"]
    adapted: tuple[str, ...] = ()
    fixed_batch: str | None = None
    evaluation_only: tuple[str, ...] = ()
    fixed_sizes: tuple[FixedSize, ...] = ()
    retraced: bool = False
    lost: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    normalised: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    configured: tuple[str, ...] | None = ()
    not_counted: dict[str, int] = Field(default_factory=dict)
    changed_outputs: tuple[ChangedOutput, ...] = ()
    untraced: str = ""
    parts: tuple[NetworkPart, ...] = ()
    target: Target | None = None

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def group_rows(groups: Sequence[ChannelGroup], plan: Plan) -> tuple[GroupRow, ...]:
    """One row per group, in order of execution."""
    return tuple(
        GroupRow(
            name=group.name,
            layers=tuple(dict.fromkeys(member.layer for member in group.producers)),
            units=group.units,
            kept=group.units - len(plan.removed.get(group.name, ())),
            protected=group.protected,
            normalised=group.normalised,
        )
        for group in groups
    )


def channels(rows: Sequence[GroupRow]) -> Amount:
    """Units of all groups."""
    return Amount(before=sum(row.units for row in rows), after=sum(row.kept for row in rows))


def _lines(report: ShrinkReport) -> list[str]:
    lines = [str(report.target) if report.target else f"asked for {report.rate:.0%} of the channels"]
    for name in ("channels", "parameters", "macs", "bops"):
        amount: Amount = getattr(report, name)
        lines.append(f"{name:<11}{amount.before:>16,} -> {amount.after:>16,}  ({amount.ratio:.1%})")
    lines.append(f"equal to the masked model within {report.deviation:.1e}")
    if report.untraced:
        lines.append(
            "it can't be traced as a whole, for its control flow depends on data: it was recorded on its example, "
            "what lies between its decisions is pruned, and all that it held at each of them was compared"
        )
        lines += [f"pruned: {part}" for part in report.parts if part.outcome == "pruned"]
        lines += [f"left: {part}" for part in report.parts if part.outcome == "left"]
    if agreed := [way.name for way in report.ways if way.outcome == "agrees"]:
        lines.append(f"and in other ways of calling it: {'; '.join(agreed)}")
    lines += [f"{WORDS[way.outcome]}: {way}" for way in report.ways if way.outcome in WORDS]
    if report.configured:
        lines.append(f"its configuration says so: {', '.join(report.configured)}")
    if report.configured is None:
        lines.append("no configuration says what it is, so that it can't `save_pretrained`: save it with prunus.save")
    if report.normalised:
        lines.append(
            f"{len(report.normalised)} layers average over pruned channels (first: {report.normalised[0]}): the result "
            "is another function of the weights than the masked model"
        )
    lines += [f"this output has another width: {output}" for output in report.changed_outputs]
    if report.form == "graph":
        lines.append("sizes written into the forward were rewritten: the result is a traced graph, not the class")
    if report.evaluation_only:
        lines.append(f"what only training did is not in that graph: {', '.join(report.evaluation_only)}")
    if report.fixed_batch:
        lines.append(f"the batch size is fixed: {report.fixed_batch}")
    if report.fixed_sizes:
        sizes = "; ".join(map(str, report.fixed_sizes))
        lines.append(
            f"other sizes and arguments are traced anew, for which `load` needs the class; without it: {sizes}"
            if report.retraced
            else f"it takes no other sizes than these: {sizes}"
        )
    if report.lost:
        more = f" and {len(report.lost) - NAMED} more" if len(report.lost) > NAMED else ""
        lines.append(f"methods that only the class has are lost: {', '.join(report.lost[:NAMED])}{more}")
    if report.caches:
        lines.append(f"it returns no cache of keys and values, but None, as: {', '.join(report.caches)}")
    left = [row for row in report.groups if row.protected]
    lines += [f"left alone: {row.name} ({row.units}): {row.protected}" for row in left]
    return lines
