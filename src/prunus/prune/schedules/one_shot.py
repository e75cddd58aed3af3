"""All at once."""

from __future__ import annotations

from pydantic import Field

from prunus.prune.schedules.schedule import Event, Schedule, after


class OneShot(Schedule):
    """Prunes once, after the share `at` of the epochs, and trains on.

    Source: Han et al., "Learning both weights and connections", 2015: train, prune, train on.

    >>> OneShot(at=0.5).events(0.8, 4)
    (Event(epoch=2, rate=0.8, replaced=0.0, grown='random', rewind_to=None),)
    """

    at: float = Field(default=0.5, gt=0, le=1)

    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:  # noqa: D102
        return (Event(after(self.at, epochs), rate),)
