"""Showing how a study gets on: live bars in a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from prunus.cli.terminal import plain
from prunus.results.run_state import RunState, label
from prunus.sweep.events import (
    BlockEnded,
    BlockLost,
    BlockStarted,
    BlockStep,
    EpochDone,
    MeasuringStarted,
    Ready,
    Searching,
    Shown,
    Stopping,
    StoreRebuilt,
    StudyStarted,
    TrialEnded,
    TrialLost,
    TrialStarted,
    Warned,
)
from prunus.sweep.run import Observer

PLAIN_LINE_EVERY_SECONDS = 15.0
STOPPING = "stopping after the epochs that run, with checkpoints; a second signal (Ctrl-C) stops at once"


@contextmanager
def show_progress() -> Iterator[Observer]:
    """Give an observer that shows events as they come."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)


class Lines:
    """One line per ended trial, and one now and then while none ends."""

    def __init__(self, console: Console) -> None:
        self.console, self.state, self.said_at = console, RunState(), time.monotonic()
        self._say("loading torch and the data")

    def __call__(self, event: Shown) -> None:
        """Show one event."""
        self.state.take(event)
        match event:
            case Searching() | StoreRebuilt():
                self._say(event.text)
            case Warned():
                self._say(f"warning: {event.text}")
            case StudyStarted():
                at_once = min(event.workers, max(1, len(event.trials) - event.ended))
                self._say(f"{len(event.trials)} trials, {event.ended} of them done, {at_once} at once")
            case TrialEnded() | TrialLost():
                self._say(f"{self.state.progress()} {self.state.ended(event)} ({self.state.time_left()})")
            case Stopping():
                self._say(STOPPING)
            case EpochDone() if time.monotonic() - self.said_at > PLAIN_LINE_EVERY_SECONDS:
                self._say(f"{self.state.progress()} {self.state.epoch(event)} ({self.state.time_left()})")
            case MeasuringStarted() if event.blocks:
                self._say(f"measuring the final networks, {event.blocks} blocks")
            case BlockEnded():
                self._say(f"measured {event.block}")
            case BlockLost():
                self._say(f"not measured: {event.block}: its process ended with {event.cause}")

    def _say(self, text: str) -> None:
        self.console.print(plain(text), soft_wrap=True)
        self.said_at = time.monotonic()


class Bars:
    """A bar for the study, one for each running trial or block."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.state = progress, RunState()
        self.study = progress.add_task("loading torch and the data", total=None, note="")
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Shown) -> None:
        """Show one event."""
        self.state.take(event)
        match event:
            case Searching():
                self.progress.update(self.study, note=escape(event.text))
            case StoreRebuilt():
                self.progress.console.print(plain(event.text))
            case Warned():
                self.progress.console.print(plain(f"warning: {event.text}"))
            case Ready():
                self.progress.update(self.study, description="study", note="")
            case StudyStarted():
                self.progress.update(self.study, total=len(event.trials), completed=event.ended)
            case TrialStarted():
                self._add(
                    event.trial, label(self.state.trials[event.trial]), self.state.epochs_of(event.trial), event.epoch
                )
            case EpochDone():
                task = self.tasks[event.row.trial]
                self.progress.update(task, completed=event.row.epoch, note=escape(self.state.value(event.row)))
                self.progress.update(self.study, note=self.state.time_left())
            case TrialEnded() | TrialLost():
                self._remove(event.trial)
                self.progress.update(self.study, completed=self.state.trials_ended)
                if not (isinstance(event, TrialEnded) and event.status == "finished"):
                    self.progress.console.print(plain(self.state.ended(event)))
            case Stopping():
                self.progress.console.print(plain(STOPPING))
            case MeasuringStarted() if event.blocks:
                self.progress.update(self.study, description="measuring", total=event.blocks, completed=0, note="")
            case BlockStarted():
                self._add(event.block, event.block, event.total, 0)
            case BlockStep():
                self.progress.advance(self.tasks[event.block])
            case BlockEnded() | BlockLost():
                self._remove(event.block)
                self.progress.advance(self.study)
                if isinstance(event, BlockLost):
                    self.progress.console.print(
                        plain(f"not measured: {event.block}: its process ended with {event.cause}")
                    )

    def _add(self, key: str, description: str, total: int, completed: int) -> None:
        self._remove(key)
        self.tasks[key] = self.progress.add_task(f"  {escape(description)}", total=total, completed=completed, note="")

    def _remove(self, key: str) -> None:
        if key in self.tasks:
            self.progress.remove_task(self.tasks.pop(key))
