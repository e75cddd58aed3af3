"""The contract of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from prunus.errors import InputError, nearest
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.events import Received
from prunus.sweep.leases import Lease
from prunus.sweep.resources import Resources


@dataclass(frozen=True)
class Capabilities:
    """What an executor can do.

    other_machines: trials may run elsewhere; the study's folder must then be seen there under the same path.
    memory_limit: it holds trials to their limit of memory. settings: names that `--executor-set` may give.
    """

    other_machines: bool
    memory_limit: bool
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """How an executor is to run trials. workers: trials at once; 0: as many as there is room for."""

    workers: int = 0
    resources: Resources = field(default_factory=Resources)
    address: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


class Executor(ABC):
    """Runs trials of one study. What travels is a trial's digest, its lease's token and the study's folder, never code.

    A trial leaves its rows in its result file before `TrialEnded("finished")` is told. What is heard of a trial carries
    the token under which it was submitted; the coordinator counts what it hears under the lease in force, and nothing
    else. A process that dies shows as `TrialLost`; the executor goes on.
    """

    capabilities: ClassVar[Capabilities]

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder, self.terms = folder, terms
        for name in terms.settings:
            if name not in self.capabilities.settings:
                what = f"The executor {type(self).__name__.lower()!r} has no setting {name!r}"
                raise InputError(what, "", nearest(name, self.capabilities.settings))
        if terms.resources.memory_bytes and not self.capabilities.memory_limit:
            what = f"The executor {type(self).__name__.lower()!r} cannot limit the memory of a trial here"
            raise InputError(what, "execution.memory_gib asks for it", "set it to 0")

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many trials may be submitted and not ended at a time; it may change."""

    @abstractmethod
    def start(self, keep_open: tuple[int, ...] = ()) -> None:
        """Begin to get ready; `Ready` or `Refused` follows. `keep_open`: descriptors that processes here inherit."""

    @abstractmethod
    def submit(self, lease: Lease) -> None:
        """Run a trial when there is room."""

    @abstractmethod
    def cancel(self, lease: Lease) -> None:
        """End a submitted trial at once, if it can be reached; nothing needs to be heard of it any more."""

    @abstractmethod
    def measure(self, block: MeasurementBlock) -> None:
        """Carry out one block of measurements on finished trials; nothing else may run meanwhile."""

    @abstractmethod
    def events(self, timeout_seconds: float) -> list[Received]:
        """What has happened since the last call; waits at most so long for the first."""

    @abstractmethod
    def interrupt(self) -> None:
        """Have every running trial write a checkpoint after its epoch and end as `interrupted`; others end at once."""

    @abstractmethod
    def close(self) -> None:
        """End all processes at once."""
