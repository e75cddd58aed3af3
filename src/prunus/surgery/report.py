"""What a cut asked for and what it achieved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from prunus.graph import ChannelGroup
from prunus.spec.part import Frozen
from prunus.surgery.plan import Plan


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

    target: what decided on the rate, where that was not given.
    deviation: largest difference between shrunk and masked model over the largest output.
    form: `class` if the result is the user's own class, `graph` if sizes written into its forward were rewritten.
    adapted: attributes of the user's modules that were changed beside those of known layers.
    fixed_batch: why the result runs at the traced batch size only, if so.
    evaluation_only: operations that the network did in training alone; a traced graph has them no more.
    normalised: layers that average over pruned channels: there the result is another function of the weights than the
    masked model; the proof is made against averages over the kept channels.
    not_counted: operations whose MACs are not known -> calls.
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
    normalised: tuple[str, ...] = ()
    not_counted: dict[str, int] = Field(default_factory=dict)
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
    if report.normalised:
        lines.append(
            f"{len(report.normalised)} layers average over pruned channels (first: {report.normalised[0]}): the result "
            "is another function of the weights than the masked model"
        )
    if report.form == "graph":
        lines.append("sizes written into the forward were rewritten: the result is a traced graph, not the class")
    if report.evaluation_only:
        lines.append(f"what only training did is not in that graph: {', '.join(report.evaluation_only)}")
    if report.fixed_batch:
        lines.append(f"the batch size is fixed: {report.fixed_batch}")
    left = [row for row in report.groups if row.protected]
    lines += [f"left alone: {row.name} ({row.units}): {row.protected}" for row in left]
    return lines
