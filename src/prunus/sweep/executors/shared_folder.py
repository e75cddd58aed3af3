"""What executors on other machines have in common: their workers are heard through files in the study's folder."""

from __future__ import annotations

import json
import secrets
import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from prunus.errors import MissingError
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.event_log import EventReader
from prunus.sweep.events import BlockEnded, BlockLost, Event, Ready, Received, Refused, TrialEnded, TrialLost
from prunus.sweep.executors.executor import Executor, Terms
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job, Lease

LAST_WORDS = (TrialEnded, BlockEnded, BlockLost, Ready, Refused)
GOOD_ENDS = ("COMPLETED", "no last words")
"""How Slurm and Ray call the end of a job that did what it was to do."""

LISTEN_EVERY_SECONDS = 0.1
SECONDS_PER_FILE = 0.001
"""With many files to look at, a network file system is asked more rarely."""


@dataclass
class Sent:
    """A job that was sent out, and what can be heard of it."""

    job: Job
    reader: EventReader
    begun: bool = False
    dead_since: float | None = None
    cause: str = ""


class SharedFolder(Executor):
    """Sends jobs out as text, and reads what their workers write.

    A job whose process is known to have ended without its last words counts as lost a little later: a network file
    system may show a file late. One that ended in good order has said them, and is waited for as long as that takes.
    """

    patience_seconds: ClassVar[float] = 2.0
    patience_after_good_end_seconds: ClassVar[float] = 90.0
    """NFS keeps what it knows of a folder for up to a minute."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        super().__init__(folder, terms)
        self._sent: dict[str, Sent] = {}  # by token
        self._unsent: list[Job] = []
        self._unheard: list[Received] = []

    @abstractmethod
    def _send(self, jobs: list[Job]) -> None:
        """Start the jobs when there is room for them."""

    @abstractmethod
    def _ended(self) -> Iterable[tuple[str, str]]:
        """Tokens of the jobs whose process has ended, and how, in the words of `TrialLost`."""

    @abstractmethod
    def _kill(self, tokens: list[str]) -> None:
        """End these jobs at once, whether begun or not."""

    def start(self, keep_open: tuple[int, ...] = ()) -> None:  # noqa: ARG002, D102
        StudyFolder(self.folder).words("").parent.mkdir(exist_ok=True)
        self._add(Job(token=secrets.token_hex(8)))

    def submit(self, lease: Lease) -> None:  # noqa: D102
        self._add(Job(trial=lease.trial, token=lease.token))

    def measure(self, block: MeasurementBlock) -> None:  # noqa: D102
        self._add(Job(token=secrets.token_hex(8), block=asdict(block)))

    def cancel(self, lease: Lease) -> None:  # noqa: D102
        self._unsent = [job for job in self._unsent if job.token != lease.token]
        if lease.token in self._sent:
            self._kill([lease.token])
            self._forget(lease.token)

    def interrupt(self) -> None:  # noqa: D102
        folder = StudyFolder(self.folder)
        silent = [token for token, sent in self._sent.items() if not sent.begun]
        self._kill([token for token in silent if self._sent[token].job not in self._unsent])
        self._unsent.clear()
        for token in silent:
            self._unheard.append(Received(TrialEnded(self._sent[token].job.trial, "interrupted", 0.0), token))
            self._forget(token)
        for token, sent in self._sent.items():
            Lease(sent.job.trial, token, folder.lease(sent.job.trial)).ask_to_stop()

    def events(self, timeout_seconds: float) -> list[Received]:  # noqa: D102
        if self._unsent:
            self._send(self._unsent)
            self._unsent = []
        give_up = time.monotonic() + timeout_seconds
        while not (heard := self._hear()) and time.monotonic() < give_up:
            time.sleep(max(LISTEN_EVERY_SECONDS, SECONDS_PER_FILE * len(self._sent)))
        return heard

    def close(self) -> None:  # noqa: D102
        self._kill([token for token, sent in self._sent.items() if sent.job not in self._unsent])
        for token in list(self._sent):
            self._forget(token)

    def _hear(self) -> list[Received]:
        heard, self._unheard = self._unheard, []
        for token, cause in self._ended():
            if token in self._sent and self._sent[token].dead_since is None:
                self._sent[token].dead_since, self._sent[token].cause = time.monotonic(), cause
        for token, sent in list(self._sent.items()):
            new = sent.reader.hear()
            sent.begun |= bool(new)
            if not new and sent.dead_since is not None and time.monotonic() - sent.dead_since > self._patience(sent):
                new = [Received(self._lost(sent), token)]
            heard += new
            if any(isinstance(event, (*LAST_WORDS, TrialLost)) for event, _ in new):
                self._forget(token)
        return heard

    def _patience(self, sent: Sent) -> float:
        result = StudyFolder(self.folder).result(sent.job.trial)
        if sent.cause not in GOOD_ENDS or (sent.job.trial and result.exists()):
            return self.patience_seconds
        return self.patience_after_good_end_seconds

    def _lost(self, sent: Sent) -> Event:
        if sent.job.trial:
            return TrialLost(sent.job.trial, sent.cause)
        if sent.job.block:
            return BlockLost(MeasurementBlock(**sent.job.block).name, sent.cause)
        raise MissingError(
            "The job that was to load the study ended without a word",
            f"its end was: {sent.cause}",
            f"see that prunus is installed on all machines and that they see {self.folder} under the same path",
        )

    def _add(self, job: Job) -> None:
        self._unsent.append(job)
        self._sent[job.token] = Sent(job, EventReader(StudyFolder(self.folder).words(job.token)))

    def _forget(self, token: str) -> None:
        self._sent.pop(token).reader.file.unlink(missing_ok=True)


def as_text(job: Job) -> str:
    """The job as it travels."""
    return json.dumps(asdict(job))
