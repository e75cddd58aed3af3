"""Fast at first, then ever slower."""

from __future__ import annotations

from pydantic import Field, model_validator

from prunus.prune.schedules.schedule import Schedule


class Cubic(Schedule):
    """Prunes after each epoch between the shares `begin` and `end` of the training, along 1 - (1 - t)^3.

    Source: Zhu & Gupta, "To prune, or not to prune", 2017, equation 1, from an initial sparsity of 0.

    >>> [Cubic(begin=0.2, end=0.6).share(epoch, 5) for epoch in (1, 2, 3, 4)]
    [None, 0.875, 1.0, None]
    """

    begin: float = Field(default=0.1, ge=0, lt=1)
    end: float = Field(default=0.6, gt=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Cubic:
        if self.begin >= self.end:
            raise ValueError("the schedule begins at or after its end")
        return self

    def share(self, epoch: int, epochs: int) -> float | None:  # noqa: D102
        first, last = round(self.begin * epochs), max(1, round(self.end * epochs))
        if not first < epoch <= last:
            return None
        return float(1 - (1 - (epoch - first) / (last - first)) ** 3)
