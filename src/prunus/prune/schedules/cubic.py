"""Fast at first, then ever slower."""

from __future__ import annotations

from pydantic import Field, model_validator

from prunus.prune.schedules.schedule import Event, Schedule, after


class Cubic(Schedule):
    """Prunes after each epoch between the shares `begin` and `end` of the training, along 1 - (1 - t)^3.

    Source: Zhu & Gupta, "To prune, or not to prune", 2017, equation 1, from an initial sparsity of 0.

    >>> [(event.epoch, round(event.rate, 3)) for event in Cubic(begin=0.2, end=0.6).events(0.8, 5)]
    [(2, 0.7), (3, 0.8)]
    """

    begin: float = Field(default=0.1, ge=0, lt=1)
    end: float = Field(default=0.6, gt=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Cubic:
        if self.begin >= self.end:
            raise ValueError("the schedule begins at or after its end")
        return self

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: D102
        last = after(self.end, epochs)
        first = min(round(self.begin * epochs), last - 1)
        shares = ((epoch, 1 - (1 - (epoch - first) / (last - first)) ** 3) for epoch in range(first + 1, last + 1))
        return tuple(Event(epoch, share * rate) for epoch, share in shares)
