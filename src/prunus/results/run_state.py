"""What the events of a running study come to: trials ended, pace, time left."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prunus.report.words import duration
from prunus.spec import Metric
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


class RunState:
    """Takes events, answers in words."""

    def __init__(self) -> None:
        self.trials: dict[str, TrialRow] = {}
        self.epochs = self.trials_ended = 0
        self.others: Mapping[str, int] = {}
        self.epochs_left = self.epochs_done = 0
        self.began = time.monotonic()
        self.metric = Metric()
        self.latest: dict[str, EpochRow] = {}

    def take(self, event: Shown) -> None:
        """Count one event."""
        match event:
            case StudyStarted():
                self.trials = {row.trial: row for row in event.trials}
                self.epochs, self.trials_ended = event.epochs, event.ended
                self.others, self.metric = event.epochs_of, event.metric
                left = (row.trial for row in event.trials if row.status not in ("finished", "failed"))
                self.epochs_left = sum(self.epochs_of(trial) for trial in left)
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
                self.epochs_left -= self.epochs_of(event.trial) - self._epoch(event.trial)
            case TrialLost(again=True):
                self.epochs_left += self._epoch(event.trial)
            case TrialLost():
                self.trials_ended += 1
                self.epochs_left -= self.epochs_of(event.trial) - self._epoch(event.trial)

    def epochs_of(self, trial: str) -> int:
        """How many epochs a trial has in all."""
        return self.others.get(trial, self.epochs)

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
        return f"{name}: epoch {event.row.epoch} of {self.epochs_of(event.row.trial)}, {self.value(event.row)}"

    def value(self, row: EpochRow) -> str:
        """What the task is judged by: `97.2 %`, `R² 0.851`."""
        text = self.metric.text(row.metric)
        return text if self.metric.name == "accuracy" else f"{self.metric.name} {text}"

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
        return f"{name}: {self.value(self.latest[event.trial])}" if event.trial in self.latest else f"{name}: done"

    def _epoch(self, trial: str) -> int:
        return self.latest[trial].epoch if trial in self.latest else 0


def label(row: TrialRow) -> str:
    """A trial in words."""
    return f"{row.recipe} {row.rate:g}, seed {row.seed}" if row.recipe else f"unpruned, seed {row.seed}"
