"""What the events of a running study come to: trials ended, pace, time left."""

from __future__ import annotations

import time

from prunus.store import EpochRow, TrialRow
from prunus.sweep.events import EpochDone, Shown, StudyStarted, TrialEnded, TrialLost, TrialStarted

LOST = {
    "TimeLimit": "it took longer than execution.time_limit_seconds",
    "LeaseExpired": "nothing was heard of it for longer than execution.lease_seconds",
    "OutOfMemory": "the machine had no memory left",
    "NodeDied": "its machine is gone",
    "WorkerCrashed": "its process crashed",
    "StoreError": "its result is damaged or came too late",
}


class Tally:
    """Takes events, answers in words."""

    def __init__(self) -> None:
        self.trials: dict[str, TrialRow] = {}
        self.epochs = self.trials_ended = 0
        self.epochs_left = self.epochs_done = 0
        self.began = time.monotonic()
        self.latest: dict[str, EpochRow] = {}

    def take(self, event: Shown) -> None:
        """Count one event."""
        match event:
            case StudyStarted():
                self.trials = {row.trial: row for row in event.trials}
                self.epochs, self.trials_ended = event.epochs, event.ended
                self.epochs_left = (len(event.trials) - event.ended) * event.epochs
                self.began = time.monotonic()
            case TrialStarted():
                self.epochs_left -= event.epoch
            case EpochDone():
                self.latest[event.row.trial] = event.row
                self.epochs_done += 1
                self.epochs_left -= 1
            case TrialEnded(status="finished"):
                self.trials_ended += 1
            case TrialEnded(status="failed"):
                self.trials_ended += 1
                self.epochs_left -= self.epochs - self._epoch(event.trial)
            case TrialLost(again=True):
                self.epochs_left += self._epoch(event.trial)
            case TrialLost():
                self.trials_ended += 1
                self.epochs_left -= self.epochs - self._epoch(event.trial)

    def progress(self) -> str:
        """`[12/63]`."""
        return f"[{self.trials_ended}/{len(self.trials)}]"

    def time_left(self) -> str:
        """How long the training will still take, by the pace so far."""
        if not self.epochs_done:
            return "time left not known yet"
        return f"{duration(self.epochs_left * (time.monotonic() - self.began) / self.epochs_done)} left"

    def epoch(self, event: EpochDone) -> str:
        """A trial's epoch in words."""
        name = label(self.trials[event.row.trial])
        return f"{name}: epoch {event.row.epoch} of {self.epochs}, {self.accuracy(event.row)}"

    def accuracy(self, row: EpochRow) -> str:
        """`97.2 %`."""
        return f"{100 * row.test_correct / row.test_total:.1f} %"

    def ended(self, event: TrialEnded | TrialLost) -> str:
        """The end of a trial in words."""
        name = label(self.trials[event.trial])
        if isinstance(event, TrialLost):
            why = LOST.get(event.cause, f"its process ended with {event.cause}")
            return f"{name}: {why}; {'it is tried again' if event.again else 'given up'}"
        if event.status == "failed":
            return f"{name}: failed. {event.message}"
        if event.status == "interrupted":
            return f"{name}: stopped after epoch {self._epoch(event.trial)}, will be continued"
        return f"{name}: {self.accuracy(self.latest[event.trial])}" if event.trial in self.latest else f"{name}: done"

    def _epoch(self, trial: str) -> int:
        return self.latest[trial].epoch if trial in self.latest else 0


def label(row: TrialRow) -> str:
    """A trial in words."""
    return f"{row.recipe} {row.rate:g}, seed {row.seed}" if row.recipe else f"unpruned, seed {row.seed}"


def duration(seconds: float) -> str:
    """A span of time in words.

    >>> duration(59.2), duration(200), duration(8000)
    ('59 s', '3 min 20 s', '2 h 13 min')
    """
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
