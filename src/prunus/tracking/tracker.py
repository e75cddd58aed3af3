"""The contract of a tracker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from prunus.errors import InputError
from prunus.registry import Registry
from prunus.spec.part import Frozen, Part, make

Ended = Literal["finished", "failed"]


@dataclass(frozen=True)
class TrackedTrial:
    """What a tracker is told of a trial before its first epoch.

    study: its name. folder: of the study. digest: the trial's identity. label: in words, `structured 0.4, seed 1`.
    settings: all that decides its result, flat: `training.epochs` -> 50.
    """

    study: str
    folder: Path
    digest: str
    label: str
    settings: Mapping[str, str | int | float | bool]


class Entry(ABC):
    """A trial in another program, open until it ends or the study stops."""

    handle: str = ""
    """By which it is found again after an interruption, where the trial's digest is not enough."""

    @abstractmethod
    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Note what an epoch came to."""

    @abstractmethod
    def end(self, how: Ended, values: Mapping[str, float]) -> None:
        """Note what the final network costs, and that the trial is over."""

    @abstractmethod
    def pause(self) -> None:
        """The study stops before the trial has ended; it may go on later."""


class Tracker(Frozen, ABC):
    """A program that is told of a study's trials; its fields are its settings in `[tracking]`.

    packages: what it needs, by the name of the import; extra: of prunus, which brings that.
    lone: the setting that a lone text stands for.
    """

    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str] = ""
    lone: ClassVar[str] = ""

    @abstractmethod
    def open(self, trial: TrackedTrial, handle: str) -> Entry:
        """Begin a trial's entry; handle: of the entry to go on with, empty for a new one."""


TRACKERS: Registry[type[Tracker]] = Registry("tracker", Tracker)


def trackers_of(tracking: Mapping[str, Any]) -> dict[str, Tracker]:
    """The trackers that a study asks for. Raises `InputError` for an unknown one or a wrong setting.

    >>> trackers_of({"wandb": "pruning", "tensorboard": False})
    {'wandb': WeightsAndBiases(project='pruning', mode='offline')}
    """
    return {
        name: make(TRACKERS, Part(name=name, settings=_settings(name, asked)))
        for name, asked in tracking.items()
        if asked is not False
    }


def _settings(name: str, asked: Any) -> dict[str, Any]:
    if asked is True:
        return {}
    if isinstance(asked, dict):
        return asked
    lone = TRACKERS.get(name).lone
    if not lone:
        raise InputError(f"tracking.{name} is {asked!r}", "it takes true, or a table of settings", "write true")
    return {lone: asked}
