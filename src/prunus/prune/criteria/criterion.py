"""The contract of a criterion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from prunus.prune.units import Role
from prunus.spec.part import Frozen


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at, of one parameter, arranged by the pattern as (units, elements).

    Attributes:
        weights: the parameter itself, in float32 at least.
        generator: for criteria that draw numbers.
        collected: the kinds that the criterion needs (`prunus.prune.evidence`), by name, of the same shape, in float64
            where the device has it; `evidence["gradients"]` is one of them.
    """

    weights: Tensor
    generator: torch.Generator
    collected: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> Tensor:
        return self.collected[kind]


class Criterion(Frozen, ABC):
    """Scores the units of a parameter; its fields are its settings.

    Class variables:
        needs: kinds of evidence.
        reads: which of a pattern's parameters it is given; `scored` are the weights that make the units.
        additive: scores of several parameters of one unit are of one kind and are summed as they are; others are first
            brought to mean 1, so that none drowns the others.
        patterns: those for which it is defined; empty: for all.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Role] = "scored"
    additive: ClassVar[bool] = False
    patterns: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def score(self, evidence: Evidence) -> Tensor:
        """One finite number per unit, (units,), higher is more important. The weights are left as they are."""
