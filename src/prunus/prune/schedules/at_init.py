"""Before the training."""

from __future__ import annotations

from pydantic import Field

from prunus.prune.schedules.schedule import Event, Schedule


class AtInit(Schedule):
    """Prunes the initial network, in `steps` steps that each leave the same share of what the one before left.

    Source: one step, Lee et al., "SNIP", 2019; many (100 there), Tanaka et al., "Pruning neural networks without any
    data by iteratively conserving synaptic flow", 2020, algorithm 1.

    >>> [event.rate for event in AtInit(steps=2).events(0.75, epochs=10)]
    [0.5, 0.75]
    """

    steps: int = Field(default=1, ge=1)

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: ARG002, D102
        early = (Event(0, 1 - (1 - rate) ** (step / self.steps)) for step in range(1, self.steps))
        return (*early, Event(0, rate))
