"""The contract of a criterion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from prunus.spec.part import Frozen


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at, arranged by the pattern.

    weights: (units, elements) of one parameter. generator: for criteria that draw numbers.
    """

    weights: Tensor
    generator: torch.Generator


class Criterion(Frozen, ABC):
    """Scores the units of a parameter; its fields are its settings."""

    @abstractmethod
    def score(self, evidence: Evidence) -> Tensor:
        """One finite number per unit, (units,), higher is more important. The weights are left as they are."""
