"""The full rate after every epoch."""

from __future__ import annotations

from prunus.prune.schedules.schedule import Event, Schedule


class EveryEpoch(Schedule):
    """Prunes to the full rate after every epoch, as the reference experiment does."""

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: D102
        return tuple(Event(epoch, rate) for epoch in range(1, epochs + 1))
