"""A tracker that keeps what it is told, and one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from prunus.tracking import Entry, TrackedTrial, Tracker

TOLD: list[tuple[Any, ...]] = []


class Recorder(Tracker):
    """Keeps what it is told in `TOLD`."""

    packages: ClassVar[tuple[str, ...]] = ()

    def open(self, trial: TrackedTrial, handle: str) -> Entry:
        TOLD.append(("open", trial.label, handle))
        return _Kept(trial.label)


class _Kept(Entry):
    def __init__(self, label: str) -> None:
        self.label, self.handle = label, f"handle of {label}"

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        TOLD.append(("epoch", self.label, number, dict(values)))

    def end(self, how: str, values: Mapping[str, float]) -> None:
        TOLD.append(("end", self.label, how, dict(values)))

    def pause(self) -> None:
        TOLD.append(("pause", self.label))


class Failing(Tracker):
    """Cannot be reached."""

    packages: ClassVar[tuple[str, ...]] = ()

    def open(self, trial: TrackedTrial, handle: str) -> Entry:
        raise ConnectionError("no route to host")


class Absent(Recorder):
    """Needs what nobody has."""

    packages: ClassVar[tuple[str, ...]] = ("nobody_has_this",)
    extra: ClassVar[str] = "nobody"
