"""The contract of a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod

from prunus.spec.part import Frozen


class Schedule(Frozen, ABC):
    """Says at which epochs' ends pruning happens and how far it goes; its fields are its settings."""

    @abstractmethod
    def share(self, epoch: int, epochs: int) -> float | None:
        """The share of the rate that is reached by pruning after this epoch, or None if nothing is pruned then.

        epoch: from 1 to `epochs`. Pure: the same arguments give the same answer.
        """
