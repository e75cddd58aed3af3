"""Being asked to stop."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any

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
