"""The contract of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from prunus.sweep.blocks import Block
from prunus.sweep.events import Event


class Executor(ABC):
    """Runs trials of one study. What travels is a trial's digest and the study's folder, never code.

    A trial leaves its rows in its result file before `TrialEnded("finished")` is told. A process that dies shows as
    `TrialLost`; the executor goes on.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers

    @abstractmethod
    def start(self, keep_open: tuple[int, ...] = ()) -> None:
        """Begin to get ready; `Ready` or `Refused` follows. `keep_open`: descriptors that all processes inherit."""

    @abstractmethod
    def submit(self, trial: str) -> None:
        """Run a trial when a worker is free."""

    @abstractmethod
    def measure(self, block: Block) -> None:
        """Carry out one block of measurements on finished trials; nothing else may run meanwhile."""

    @abstractmethod
    def events(self, timeout_seconds: float) -> list[Event]:
        """What has happened since the last call; waits at most so long for the first."""

    @abstractmethod
    def interrupt(self) -> None:
        """Have every running trial write a checkpoint after its epoch and end as `interrupted`."""

    @abstractmethod
    def close(self) -> None:
        """End all processes at once."""
