"""How a study gets on, in a notebook's cell or on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from prunus.results.run_state import RunState
from prunus.sweep.events import (
    EpochDone,
    MeasuringStarted,
    Ready,
    Searching,
    Shown,
    Stopping,
    TrialEnded,
    TrialLost,
    Warned,
)
from prunus.sweep.run import Observer

EVERY_SECONDS = 0.5


@contextmanager
def showing(wanted: bool) -> Iterator[Observer]:
    """An observer that shows events where the caller looks; nowhere if that is not wanted."""
    if not wanted:
        yield lambda _: None
        return
    cell = _cell()
    shown = Progress(cell.update if cell else None)
    yield shown
    shown.show("done")


class Progress:
    """Keeps one line up to date: a bar of trials, the trial that ended or went on last, and the time that is left.

    update: takes an object to show, as IPython's display handle does; None: lines on standard error.
    """

    def __init__(self, update: Any = None) -> None:
        self.update, self.state, self.at = update, RunState(), 0.0
        self.warnings: list[str] = []

    def __call__(self, event: Shown) -> None:
        """Show one event."""
        self.state.take(event)
        match event:
            case Ready():
                self.show("torch and the data are loaded")
            case Searching():
                self.show(event.text)
            case EpochDone() if time.monotonic() - self.at > (EVERY_SECONDS if self.update else 15.0):
                self.show(f"{self.state.epoch(event)} ({self.state.time_left()})")
            case TrialEnded() | TrialLost():
                self.show(f"{self.state.ended(event)} ({self.state.time_left()})")
            case MeasuringStarted() if event.blocks:
                self.show(f"measuring the final networks, {event.blocks} blocks")
            case Stopping():
                self.show("stopping after the epochs that run")
            case Warned():
                self.warnings.append(event.text)
                self.show(f"warning: {event.text}")

    def show(self, text: str) -> None:
        """Show a line."""
        self.at = time.monotonic()
        if self.update is None:
            print(f"{self.state.progress()} {text}", file=sys.stderr)
        else:
            self.update(_Html(self.state.trials_ended, len(self.state.trials), text, self.warnings))


class _Html:
    """A bar and a line, which a notebook shows."""

    def __init__(self, done: int, total: int, text: str, warnings: list[str]) -> None:
        self.done, self.total, self.text, self.warnings = done, total, text, tuple(warnings)

    def _repr_html_(self) -> str:
        told = "".join(f"<br>warning: {escape(text)}" for text in self.warnings[-3:])
        bar = f'<progress value="{self.done}" max="{max(self.total, 1)}"></progress>'
        return f"{bar} {self.done} of {self.total} trials: {escape(self.text)}{told}"

    def __repr__(self) -> str:
        return f"{self.done} of {self.total} trials: {self.text}"


def _cell() -> Any:
    """A handle of IPython's for a place in the cell that runs; None where this is no notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import DisplayHandle

    handle: Any = DisplayHandle()
    handle.display(_Html(0, 0, "loading torch and the data", []))
    return handle
