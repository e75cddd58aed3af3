"""When a trial's checkpoint is written and read, and whether a trial that goes on from one ends with the same bits.

That is tried on the trial's first batches: two processes train it for two short epochs, one straight through, the other
from the first one's checkpoint. Where they come to other numbers, the network or the study's files keep something that
no checkpoint can hold.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from prunus.data import Dataset
from prunus.errors import DiskFullError, StoreError
from prunus.spec import Trial
from prunus.store import ProblemRow
from prunus.sweep.leases import Lease
from prunus.sweep.processes import end_with
from prunus.system import user_code
from prunus.system.forking import fork
from prunus.system.user_code import user_modules
from prunus.train import (
    NotRestorableError,
    TrainingState,
    checkpoint_bytes,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
    train,
)
from prunus.train.hidden_state import restore_variables, variables


class Interrupted(Exception):  # noqa: N818  # not an error
    """The trial was asked to stop and has left a checkpoint."""


class Checkpoints:
    """The checkpoint of one trial. What goes wrong when it is written is a problem row of the trial, once of each kind.

    unread: why there was one that could not be read, where there was.
    """

    def __init__(self, path: Path, lease: Lease, every_seconds: float) -> None:
        self.path, self.lease, self.every_seconds = path, lease, every_seconds
        self.saved_at = time.monotonic()
        self.problems: list[ProblemRow] = []
        self.unread = ""

    def resume(self, begin: Callable[[], TrainingState], why_not: Callable[[], str] = str) -> TrainingState:
        """The state to go on from: the checkpoint's, or a fresh one where there is none that can be gone on from.

        why_not: why the trial would not end with the same bits; asked where there is a checkpoint. Empty: it would.
        """
        for left in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            print(f"trial {self.lease.trial}: {left.name} was cut off while it was written; the one before it is read")
            left.unlink(missing_ok=True)
        if not self.path.exists():
            return begin()
        self.unread = why_not()
        before = variables(user_modules()) if not self.unread else None
        state = begin()
        if before is None:
            print(f"trial {self.lease.trial}: {self.unread}; the trial starts anew")
            return state
        try:
            load_checkpoint(self.path, state, self.lease.trial)
        except StoreError as error:
            self.unread = str(error)
            print(f"trial {self.lease.trial}: {error}; the trial starts anew")
            restore_variables(before, user_modules())
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
        except (OSError, NotRestorableError) as error:
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


BATCHES = 2
STATIC = ("builtins.", "torch.", "_abc.")
"""What types of objects that cannot be written down begin with where they are no state, as functions and types are."""

MOVING = ("builtins.generator", "builtins.async_generator")


class Rehearsed(NamedTuple):
    """The checkpoint after the first epoch, the parts of the state after the second; error: why there are none."""

    checkpoint: bytes
    parts: Mapping[str, str]
    error: str = ""


def why_not_exact(trial: Trial, dataset: Dataset, begin: Callable[[Dataset], TrainingState]) -> str:
    """Why the trial cannot be resumed with the same bits; empty if it can, or if it is random even undisturbed.

    begin: makes the state before the first epoch. It is called in other processes alone: nothing changes in this one.
    """
    if trial.training.epochs < 2:
        return ""
    short = dataset.head(BATCHES * trial.training.batch_size)
    # The first optimiser of a process imports torch's compiler: here once, and not in each of the forks.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)

    def rehearse(checkpoint: bytes = b"") -> Rehearsed:
        return _in_child(lambda: _train(trial, short, begin(short), checkpoint))

    straight = rehearse()
    if straight.error:
        return f"The resumption of the trial could not be rehearsed: {straight.error}"
    resumed = rehearse(straight.checkpoint)
    if resumed.error:
        return f"The trial cannot be resumed: {resumed.error}"
    if not (differ := _differences(straight.parts, resumed.parts)):
        return ""
    again = rehearse()
    at_random = set(_differences(straight.parts, again.parts))
    if any(not name.startswith("hidden/") for name in at_random):
        return ""  # two runs that nobody disturbs differ as well
    if differ := [name for name in differ if name not in at_random]:
        return _say(differ, straight.parts)
    return ""


def _train(trial: Trial, dataset: Dataset, state: TrainingState, checkpoint: bytes) -> Rehearsed:
    """Two epochs, or the second one alone, from a checkpoint."""
    one, two = (trial.training.model_copy(update={"epochs": epochs}) for epochs in (1, 2))
    if checkpoint:
        load_checkpoint(checkpoint, state, trial.digest)
    else:
        train(state, dataset, one, seed=trial.seed)
        checkpoint = checkpoint_bytes(state, trial.digest)
    train(state, dataset, two, seed=trial.seed)
    return Rehearsed(checkpoint, fingerprint(state))


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _say(differ: list[str], parts: Mapping[str, str]) -> str:
    """What came out otherwise, and what may be the reason."""
    first = differ[0].removeprefix("hidden/")
    more = f" and {len(differ) - 1} more" if len(differ) > 1 else ""
    suspects = [f"{name.removeprefix('hidden/')} ({kind})" for name, kind in _unwritten(parts)]
    such_as = f", such as {' or '.join(suspects[:3])}" if suspects else ""
    return (
        f"After a restart the trial does not end with the same bits ({first}{more} differ in a rehearsal): the network "
        f"or the study's files keep what no checkpoint can hold{such_as}"
    )


def _unwritten(parts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Objects that are reached and could not be written down, and that may change."""
    nodes = {name: json.loads(text) for name, text in parts.items() if text.startswith('["opaque"')}
    return [(name, kind) for name, (_, kind) in nodes.items() if kind in MOVING or not kind.startswith(STATIC)]


def _in_child(work: Callable[[], Rehearsed]) -> Rehearsed:
    """Do it in a process of its own, so that no variable of this one changes."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    parent, pid = os.getpid(), fork()
    if pid == 0:
        _tell(work, writing, parent)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        header, content = pipe.readline(), pipe.read()
    _, status = os.waitpid(pid, 0)
    if not header:
        code = os.waitstatus_to_exitcode(status)
        return Rehearsed(b"", {}, f"its process ended with {code}")
    found: dict[str, Any] = json.loads(header)
    return Rehearsed(content, found["parts"], found["error"])


def _tell(work: Callable[[], Rehearsed], writing: int, parent: int) -> None:
    """In the child: work, tell what came of it, end."""
    try:
        end_with(parent)
        try:
            done = work()
        except BaseException as error:
            done = Rehearsed(b"", {}, user_code.describe(error))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps({"parts": done.parts, "error": done.error}).encode() + b"\n")
            pipe.write(done.checkpoint)
    finally:
        os._exit(0)
