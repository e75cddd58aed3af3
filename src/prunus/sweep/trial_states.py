"""What the coordinator knows of the trials, and how it reaches the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from prunus.errors import StoreError
from prunus.spec import Study, Trial
from prunus.store import (
    ClassRow,
    CostRow,
    EpochRow,
    FileRow,
    LayerRow,
    MetricRow,
    ProblemRow,
    Store,
    TrialRow,
    read_result,
)
from prunus.sweep.events import TrialStarted
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import token_of

FOUND_BY_WORKERS = (EpochRow, CostRow, LayerRow, ClassRow, MetricRow, FileRow, ProblemRow)
"""The kinds of rows that a trial's result file may hold."""

WRITE_EVERY_SECONDS = 2.0
"""How often what is known of running trials reaches the store."""

WRITE_ENDS_EVERY_SECONDS = 0.05
"""How soon the end of a trial does; its result file is safe on the disk before that."""


class TrialStates:
    """The rows of all trials, and those that the store does not have yet."""

    def __init__(self, folder: StudyFolder, store: Store) -> None:
        self.folder, self.store = folder, store
        self.trials: dict[str, TrialRow] = {}
        self.unwritten: list[Any] = []
        self.written_at = time.monotonic()

    def take_stock(self, study: Study, *, retry_failed: bool) -> None:
        """Bring the table of trials in line with the study, and take in results that were never acknowledged."""
        known = {row.trial: row for row in self.store.rows(TrialRow)}
        for position, trial in enumerate(study.trials()):
            row = replace(known.get(trial.digest) or waiting_row(trial), position=position, in_study=True)
            if row.status == "running" or (row.status == "failed" and retry_failed):
                row = replace(row, status="waiting", attempts=0, error_kind=None, error=None)
            self.trials[trial.digest] = row
        gone = [
            replace(row, in_study=False, checkpoint_epoch=None)
            for digest, row in known.items()
            if digest not in self.trials
        ]
        self.write([*gone, *self.trials.values()])
        for row in gone:
            self._remove_what_can_be_made_again(row.trial)
        for digest in self.waiting():
            self._take_in(digest)
        self.write()

    def waiting(self) -> list[str]:
        """The trials that nobody has begun, in the order of the study."""
        return [digest for digest, row in self.trials.items() if row.status == "waiting"]

    def count(self, *statuses: str) -> int:
        """How many trials are in one of these."""
        return sum(row.status in statuses for row in self.trials.values())

    def begin(self, digest: str) -> None:
        """A trial was handed out."""
        row = self.trials[digest]
        self.set(replace(row, status="running", attempts=row.attempts + 1))

    def started(self, event: TrialStarted) -> None:
        """A worker is at it; that it could not go on from the checkpoint on record is for the report to tell."""
        row = self.trials[event.trial]
        if event.unread or event.epoch < (row.checkpoint_epoch or 0):
            lost = event.unread or f"The checkpoint of epoch {row.checkpoint_epoch} is gone"
            self.unwritten.append(ProblemRow(row.trial, "checkpoint", "lost", f"{lost}; the trial started anew"))
            self.set(replace(row, checkpoint_epoch=None))

    def epoch(self, row: EpochRow, *, saved: bool) -> None:
        """An epoch is over, and perhaps a checkpoint written."""
        self.unwritten.append(row)
        if saved:
            self.set(replace(self.trials[row.trial], checkpoint_epoch=row.epoch))

    def finish(self, digest: str, token: str, seconds: float = 0.0) -> None:
        """Take in the rows of a result file. Raises `StoreError` for one that is damaged or does not count."""
        rows = read_result(self.folder.result(digest), token)
        if not all(isinstance(row, FOUND_BY_WORKERS) and row.trial == digest for row in rows):
            what = f"The result file {self.folder.result(digest)} is damaged"
            raise StoreError(what, "it holds rows that are not its trial's", "delete it; its trial is then run again")
        self.unwritten += rows
        self.end(digest, seconds, status="finished", checkpoint_epoch=None)

    def take_in(self, digest: str, token: str, seconds: float = 0.0) -> bool:
        """Whether a trial's result lies there, whole and under that token; then the trial is finished."""
        result = self.folder.result(digest)
        if not is_there(result):
            return False
        try:
            self.finish(digest, token, seconds)
        except StoreError:
            return False
        return True

    def end(self, digest: str, seconds: float = 0.0, **changes: Any) -> None:
        """An attempt is over."""
        row = self.trials[digest]
        self.set(replace(row, seconds=(row.seconds or 0.0) + seconds, **changes))

    def set(self, row: TrialRow) -> None:
        """Put a row in the place of an earlier one."""
        self.trials[row.trial] = row
        self.unwritten.append(row)

    def is_due(self, *, ended: bool) -> bool:
        """Whether what is known should reach the store; `ended`: that a trial has ended is part of it."""
        limit = WRITE_ENDS_EVERY_SECONDS if ended else WRITE_EVERY_SECONDS
        return bool(self.unwritten) and time.monotonic() - self.written_at > limit

    def write(self, rows: Iterable[Any] = ()) -> None:
        """Make all that is known durable, in one transaction. Where it cannot be, all is kept for the next time."""
        self.written_at = time.monotonic()
        if rows := [*self.unwritten, *rows]:
            with self.store.transaction():
                self.store.put(rows)
        self.unwritten.clear()

    def _take_in(self, digest: str) -> None:
        """A result that is there although its trial waits: the coordinator died before it could acknowledge it."""
        if not self.take_in(digest, token_of(self.folder.lease(digest))):
            self.folder.result(digest).unlink(missing_ok=True)  # not whole, or late: as if it had not been written

    def _remove_what_can_be_made_again(self, digest: str) -> None:
        """For a trial that has left the study; its rows and its network stay, in case it comes back."""
        for path in (*self.folder.other_formats(digest), self.folder.checkpoint(digest)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def is_there(path: Path) -> bool:
    """Whether a file exists. Its folder is listed first, whereupon a network file system forgets what it knew before.

    NFS goes on to say "no such file" for up to a minute after another machine has made it.
    """
    with suppress(OSError):
        list(path.parent.iterdir())
    return path.exists()


def waiting_row(trial: Trial) -> TrialRow:
    """The row of a trial that nobody has begun."""
    return TrialRow(
        trial=trial.digest,
        position=0,
        in_study=True,
        recipe=trial.recipe.name if trial.recipe else None,
        pattern=trial.recipe.pattern.name if trial.recipe else None,
        rate=trial.rate,
        seed=trial.seed,
        status="waiting",
        attempts=0,
        error_kind=None,
        error=None,
        seconds=None,
        checkpoint_epoch=None,
    )
