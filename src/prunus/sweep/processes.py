"""Processes of a study: none outlives the one that started it, what one that died died of, and being asked to stop."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1
OUT_OF_MEMORY = "OutOfMemory"


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even while it is still importing (Linux).

    Elsewhere the end of the pipe to the parent does it, as soon as it is read.
    """
    if LIBRARY is not None:
        LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def cause_of_death(exit_code: int) -> str:
    """The name of the signal that ended a process, or the code it gave.

    >>> cause_of_death(-9), cause_of_death(3)
    ('SIGKILL', 'exit code 3')
    """
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


MEANINGS = {
    "LeaseExpired": "nothing was heard of it for as long as execution.lease_seconds says",
    "TimeLimit": "it took longer than execution.time_limit_seconds",
    OUT_OF_MEMORY: "the machine had no memory left. Fewer --workers or a smaller training.batch_size help",
    "SIGKILL": (
        "it was killed (SIGKILL) by somebody, or by the system where memory runs out; the system's log (dmesg) tells "
        "which. Fewer --workers help against the latter"
    ),
    "SIGSEGV": "native code crashed in it (SIGSEGV): a fault of a library or an extension, not a lack of memory",
    "SIGBUS": (
        "memory behind a file could not be had (SIGBUS): /dev/shm or the disk is full, or a file was cut off while it "
        "was mapped"
    ),
    "SIGABRT": "native code ended it (SIGABRT), which says why on standard error",
    "SIGILL": "the processor does not know one of its instructions (SIGILL): a library was built for another one",
    "SIGFPE": "native code divided by zero (SIGFPE)",
    "SIGTERM": "somebody asked it to end (SIGTERM)",
    "SIGXCPU": "it reached the limit of processor time (SIGXCPU; see `ulimit -t`)",
    "SIGXFSZ": "a file reached the limit of its size (SIGXFSZ; see `ulimit -f`)",
    "SIGSYS": "a system call of it is forbidden here (SIGSYS)",
    "COMPLETED": "its job ended in good order, but what it wrote is not seen here: do all machines share the folder?",
    "NodeDied": "its machine failed",
    "WorkerCrashed": "its process crashed on its machine",
    "StoreError": "its result file was lost or damaged before it could be read",
}
MEANINGS["no last words"] = MEANINGS["COMPLETED"]

LAST_BYTES, LONGEST_LINE = 4096, 200


def meaning(cause: str) -> str:
    """What a cause of an end means, as it stands after "the trial was lost: ".

    >>> meaning("SIGFPE"), meaning("exit code 1"), meaning("SIGUSR1")
    ('native code divided by zero (SIGFPE)', 'its program ended itself with exit code 1', 'it ended with SIGUSR1')
    """
    if cause.startswith("exit code"):
        return f"its program ended itself with {cause}"
    return MEANINGS.get(cause, f"it ended with {cause}")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, shortened; empty where there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        lines = [line.strip() for line in file.read(LAST_BYTES).decode(errors="replace").splitlines()]
        return next((line[:LONGEST_LINE] for line in reversed(lines) if line), "")
    return ""


WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


class StopSignals:
    """While entered, signals that ask this process to end are noted instead of acted on.

    Ctrl-C, SIGTERM, SIGUSR2 (Slurm's warning before a preemption), and SIGHUP (the terminal was closed) unless it is
    ignored, as `nohup` has it. number: the first signal that came, None until then: end after the running epochs.
    at_once: a second one came; SIGHUP is nobody's second wish, since a shell and the kernel both send it.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        heeded = [one for one in WATCHED if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_the_terminal()
        elif self.number is not None:
            self.at_once = True
        self.number = self.number or number


def _leave_the_terminal() -> None:
    """Write to nowhere instead of to a terminal that is gone, where every write would fail."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)  # that it is gone is always told
    for descriptor, _ in poll.poll(0):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


JOB = "SLURM_JOB_ID"


def requeue() -> str:
    """Have the job that this process runs in queued again, and say so; in words, too, why not."""
    job = os.environ.get(JOB)
    if not job:
        return f"not queued again: this is no Slurm job ({JOB} is not set)"
    try:
        answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)  # noqa: S603, S607
    except FileNotFoundError:
        return f"job {job} is not queued again: there is no scontrol"
    if answer.returncode:
        return f"job {job} is not queued again: {answer.stderr.strip()}"
    return f"job {job} is queued again"
