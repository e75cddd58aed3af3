"""Being asked to stop."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class StopSignals:
    """While entered, Ctrl-C, SIGTERM and SIGUSR2 (Slurm's warning before a preemption) are noted instead of acted on.

    number: the first signal that came, None until then: end after the running epochs. at_once: a second one came.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in WATCHED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.at_once = self.number is not None
        self.number = self.number or number
