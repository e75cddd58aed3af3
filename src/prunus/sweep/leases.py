"""Leases: a trial is lent to one worker at a time, and what a worker says after its lease is over does not count.

The lease of a trial is a file in the trial's folder that the coordinator writes and workers read: the token of the one
whose word counts, and whether it is asked to stop. A job is what the worker is told to do with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunus.system.reading import read_whole

LONGEST_TICK_SECONDS = 1.0
STOP = "stop"
LARGEST_BYTES = 200


class LeaseExpiredError(Exception):
    """The trial has been lent to another worker; this one's work does not count any more."""


@dataclass(frozen=True)
class Lease:
    """A trial and the token of the worker that it is lent to."""

    trial: str
    token: str
    file: Path

    @classmethod
    def grant(cls, trial: str, file: Path) -> Lease:
        """Lend a trial; whoever had it before has lost it."""
        lease = cls(trial, secrets.token_hex(8), file)
        file.parent.mkdir(parents=True, exist_ok=True)
        lease._write(lease.token)
        return lease

    def check(self) -> None:
        """Raise `LeaseExpiredError` if the trial is lent to another one by now."""
        if self._words()[:1] != [self.token]:
            raise LeaseExpiredError

    def ask_to_stop(self) -> None:
        """Have the worker write a checkpoint after its epoch and end."""
        self._write(f"{self.token} {STOP}")

    @property
    def stop_asked(self) -> bool:
        """Whether the worker has been asked to stop."""
        return self._words() == [self.token, STOP]

    def _words(self) -> list[str]:
        return _read(self.file).split()

    def _write(self, text: str) -> None:
        """Replaced as a whole: no reader finds half of it. If a power cut loses it, its trial is redone."""
        beside = self.file.with_name(".lease.tmp")
        beside.unlink(missing_ok=True)
        with beside.open("x") as file:  # never through a link that somebody has put there
            file.write(text)
        beside.replace(self.file)


def token_of(file: Path) -> str:
    """The token of a lease's file; empty where there is none."""
    return _read(file).partition(" ")[0]


def _read(file: Path) -> str:
    """A lease's text; none where there is no file, or one that is no lease."""
    try:
        return read_whole(file, LARGEST_BYTES).decode(errors="replace")
    except OSError:
        return ""


@dataclass
class _Held:
    lease: Lease
    silent_seconds: float | None = None  # None: nobody has begun
    running_seconds: float | None = None


@dataclass
class Leases:
    """The leases in force, and for how long their holders have been silent and running.

    Time is counted while the coordinator listens, at most a second from one `tick` to the next: a coordinator that was
    stopped or asleep, or whose clock was set, does not take its own silence for that of its workers.
    """

    silent_limit_seconds: float
    running_limit_seconds: float  # 0: none
    clock: Callable[[], float] = time.monotonic
    held: dict[str, _Held] = field(default_factory=dict)  # by token
    ticked_at: float | None = None

    def add(self, lease: Lease) -> None:
        """A lease is in force from now on; its time begins when its worker is first heard."""
        self.held[lease.token] = _Held(lease)

    def hear(self, token: str) -> bool:
        """Whether the lease is in force; its holder has shown that it lives."""
        if token not in self.held:
            return False
        held = self.held[token]
        held.silent_seconds = 0.0
        # Silence ends with every word; the limit of time counts from the first one on.
        held.running_seconds = held.running_seconds or 0.0
        return True

    def pause(self, token: str) -> None:
        """Nobody is at it for now; its time begins again when its worker is next heard."""
        if token in self.held:
            self.held[token] = _Held(self.held[token].lease)

    def seconds(self, token: str) -> float:
        """For how long the holder of a lease has been at it."""
        return (self.held[token].running_seconds or 0.0) if token in self.held else 0.0

    def end(self, token: str) -> None:
        """A lease is over."""
        self.held.pop(token, None)

    def overdue(self) -> list[tuple[Lease, str]]:
        """Let time pass, and give the leases whose limits are reached with the limit's name."""
        now = self.clock()
        passed = min(now - (now if self.ticked_at is None else self.ticked_at), LONGEST_TICK_SECONDS)
        self.ticked_at = now
        found = []
        for held in self.held.values():
            # It waits in a queue (Slurm, Ray): nobody can be blamed for silence before anyone has begun.
            if held.silent_seconds is None or held.running_seconds is None:
                continue
            held.silent_seconds += passed
            held.running_seconds += passed
            if held.silent_seconds > self.silent_limit_seconds:
                found.append((held.lease, "LeaseExpired"))
            elif 0 < self.running_limit_seconds < held.running_seconds:
                found.append((held.lease, "TimeLimit"))
        return found


@dataclass(frozen=True)
class Job:
    """A trial and the token of its lease, a block of measurements, or neither: to get ready.

    gpus: those that it may use, as `CUDA_VISIBLE_DEVICES` names them; None: as they come.
    """

    trial: str = ""
    token: str = ""
    block: dict[str, Any] = field(default_factory=dict)
    gpus: list[str] | None = None
