"""All at once."""

from __future__ import annotations

from pydantic import Field

from prunus.prune.schedules.schedule import Schedule


class OneShot(Schedule):
    """Prunes once, after the share `at` of the epochs, and trains on.

    >>> [OneShot(at=0.5).share(epoch, 4) for epoch in (1, 2, 3, 4)]
    [None, 1.0, None, None]
    """

    at: float = Field(default=0.5, gt=0, le=1)

    def share(self, epoch: int, epochs: int) -> float | None:  # noqa: D102
        return 1.0 if epoch == max(1, round(self.at * epochs)) else None
