"""What happens while a study runs, as data: from workers to the coordinator, and on to whoever shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from prunus.errors import PrunusError
from prunus.spec import Metric
from prunus.store import EpochRow, TrialRow

EndStatus = Literal["finished", "failed", "interrupted", "expired", "no space"]
"""`expired`: it was lent to another worker. `no space`: the disk is full, and no other trial can go on either."""


@dataclass(frozen=True)
class Ready:
    """Torch and the data are loaded, and the study can be run."""

    study: dict[str, Any]  # resolved: all defaults written out
    data_digest: str
    train_count: int
    test_count: int
    files: dict[str, str] = field(default_factory=dict)  # that the study's own code opened, and their digests


@dataclass(frozen=True)
class Refused:
    """The study cannot be run at all: its data cannot be loaded or do not fit its model."""

    exit_code: int
    what: str
    why: str
    do: str

    def as_error(self) -> PrunusError:
        """The error to raise where the user is."""
        error = PrunusError(self.what, self.why, self.do)
        error.exit_code = self.exit_code
        return error


@dataclass(frozen=True)
class Searching:
    """Before the study is ready: how the search for a latency gets on, in words."""

    text: str


@dataclass(frozen=True)
class TrialStarted:
    """A worker has begun with a trial, or goes on with it after `epoch` epochs.

    unread: why its checkpoint could not be read, where it could not.
    """

    trial: str
    epoch: int
    unread: str = ""


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a trial is over."""

    row: EpochRow
    saved: bool  # a checkpoint was written


@dataclass(frozen=True)
class TrialEnded:
    """A worker is through with a trial, after so many seconds; a finished one has left its result file."""

    trial: str
    status: EndStatus
    seconds: float
    kind: str = ""
    message: str = ""


@dataclass(frozen=True)
class TrialLost:
    """The process of a trial died without a word, or had to. again: the trial is tried once more."""

    trial: str
    cause: str  # `SIGKILL`, `SIGSEGV`, `exit code 3`, `TimeLimit`
    again: bool = False


@dataclass(frozen=True)
class TrialRequeued:
    """The job of a trial was preempted, has left a checkpoint, and waits for its turn again."""

    trial: str


@dataclass(frozen=True)
class Alive:
    """A worker is still at it. For the coordinator alone."""


@dataclass(frozen=True)
class BlockStarted:
    """A block of measurements has begun."""

    block: str
    total: int  # steps in it


@dataclass(frozen=True)
class BlockStep:
    """A step of a block of measurements is done."""

    block: str


@dataclass(frozen=True)
class BlockEnded:
    """A block of measurements is over and has left its result file."""

    block: str


@dataclass(frozen=True)
class BlockLost:
    """The process of a block of measurements died without a word."""

    block: str
    cause: str


@dataclass(frozen=True)
class StudyStarted:
    """The coordinator knows what is to do. For whoever shows it; never sent between processes.

    epochs: of a trial; epochs_of: of those that have another number. metric: by which its networks are compared.
    """

    trials: tuple[TrialRow, ...]
    ended: int
    workers: int
    epochs: int
    epochs_of: Mapping[str, int] = field(default_factory=dict)
    metric: Metric = field(default_factory=Metric)


@dataclass(frozen=True)
class MeasuringStarted:
    """All trials have ended; so many blocks of measurements follow. Never sent between processes."""

    blocks: int


@dataclass(frozen=True)
class StoreRebuilt:
    """A damaged store was set aside and a new one begun: what became of it. Never sent between processes."""

    text: str


@dataclass(frozen=True)
class Stopping:
    """A signal came: every trial that runs ends after its epoch. Never sent between processes."""

    signal: int


@dataclass(frozen=True)
class Warned:
    """Something beside the study went wrong, such as a tracker; never sent between processes."""

    text: str


Event = (
    Ready
    | Refused
    | Searching
    | TrialStarted
    | EpochDone
    | TrialEnded
    | TrialLost
    | TrialRequeued
    | Alive
    | BlockStarted
    | BlockStep
    | BlockEnded
    | BlockLost
)

Shown = Event | StudyStarted | MeasuringStarted | StoreRebuilt | Stopping | Warned
"""What an observer of a study is told."""


class Received(NamedTuple):
    """An event, and the token of the lease under which it was said; empty where no trial is concerned."""

    event: Event
    token: str = ""


class Wire:
    """Events as lines of JSON."""

    KINDS: ClassVar[dict[str, type[Any]]] = {kind.__name__: kind for kind in Event.__args__}

    @staticmethod
    def encode(event: Event, token: str = "") -> bytes:
        """One line."""
        return json.dumps({"event": type(event).__name__, "token": token, **asdict(event)}).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Received:
        """The event of one line."""
        values = json.loads(line)
        kind, token = cls.KINDS[values.pop("event")], values.pop("token")
        if kind is EpochDone:
            values["row"] = EpochRow(**values["row"])
        event: Event = kind(**values)
        return Received(event, token)
