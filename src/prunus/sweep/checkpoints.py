"""When a trial's checkpoint is written and read, and what happens when it cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from prunus.errors import DiskFullError, StoreError
from prunus.store import ProblemRow
from prunus.sweep.leases import Lease
from prunus.train import TrainingState, load_checkpoint, save_checkpoint


class Checkpoints:
    """The checkpoint of one trial. What goes wrong when it is written is a problem row of the trial, once of each kind.

    unread: why there was one that could not be read, where there was.
    """

    def __init__(self, path: Path, lease: Lease, every_seconds: float) -> None:
        self.path, self.lease, self.every_seconds = path, lease, every_seconds
        self.saved_at = time.monotonic()
        self.problems: list[ProblemRow] = []
        self.unread = ""

    def resume(self, begin: Callable[[], TrainingState]) -> TrainingState:
        """The state to go on from: the checkpoint's, or a fresh one where there is none that can be read."""
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            print(f"trial {self.lease.trial}: {left.name} was cut off while it was written; the one before it is read")
            left.unlink(missing_ok=True)
        state = begin()
        if not self.path.exists():
            return state
        try:
            load_checkpoint(self.path, state, self.lease.trial)
        except StoreError as error:
            self.unread = str(error)
            print(f"trial {self.lease.trial}: {error}; the trial starts anew")
            return begin()
        return state

    def due(self) -> bool:
        """Whether enough time has passed for another one."""
        return time.monotonic() - self.saved_at >= self.every_seconds

    def save(self, state: TrainingState) -> bool:
        """Write one and return True; a disk that fails keeps the one before and stops nothing.

        Raises `DiskFullError`, and `LeaseExpiredError` if the trial is another worker's by now.
        """
        self.lease.check()
        self.saved_at = time.monotonic()
        try:
            save_checkpoint(self.path, state, self.lease.trial)
        except DiskFullError:
            raise
        except OSError as error:
            self._note(error, "the one before it was kept")
            return False
        return True

    def remove(self) -> None:
        """The trial is finished."""
        self.path.unlink(missing_ok=True)

    def _note(self, error: Exception, consequence: str) -> None:
        row = ProblemRow(self.lease.trial, "checkpoint", type(error).__name__, f"{error}; {consequence}")
        if row not in self.problems:
            print(f"trial {self.lease.trial}: {row.message}")
            self.problems.append(row)
