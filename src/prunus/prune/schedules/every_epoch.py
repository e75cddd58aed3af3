"""The full rate after every epoch."""

from __future__ import annotations

from prunus.prune.schedules.schedule import Schedule


class EveryEpoch(Schedule):
    """Prunes to the full rate after every epoch, as the reference experiment does."""

    def share(self, epoch: int, epochs: int) -> float | None:  # noqa: ARG002, D102
        return 1.0
