"""The contract of a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from prunus.errors import InputError
from prunus.spec.part import Frozen


@dataclass(frozen=True)
class Event:
    """One pruning: when, and what it does.

    epoch: after which epoch it happens; 0 is before the first. rate: the share of units that is gone afterwards.
    replaced: the share of the units left whose lowest go as well, for as many others to be `grown` in their place.
    rewind_to: the epoch whose weights the units left get back; 0 stands for the initial weights.
    """

    epoch: int
    rate: float
    replaced: float = 0.0
    grown: Literal["random", "gradient"] = "random"
    rewind_to: int | None = None


class Schedule(Frozen, ABC):
    """Says when pruning happens and how far it goes; its fields are its settings."""

    @abstractmethod
    def events(self, rate: float, epochs: int) -> tuple[Event, ...]:
        """All events of a training of so many epochs, in order; the last ones reach the rate.

        Pure: the same arguments give the same answer. Raises `InputError` if they do not fit into the training.
        """

    def learning_rate_place(self, epoch: int, epochs: int) -> tuple[int, int]:
        """Where in the training's learning rate schedule an epoch is: the how-manieth of how many."""
        return epoch, epochs


def after(share: float, epochs: int) -> int:
    """The epoch at whose end the share of the training is over; at least the first.

    >>> after(0.5, 10), after(0.01, 10)
    (5, 1)
    """
    return max(1, round(share * epochs))


def refuse_too_short(name: str, needed: int, epochs: int) -> None:
    """Raises `InputError` where a schedule ends after the training does."""
    if needed > epochs:
        raise InputError(
            f"The schedule '{name}' ends after the training",
            f"it takes {needed} epochs, and the training has {epochs}",
            f"set training.epochs to {needed} or more, or shorten the schedule",
        )
