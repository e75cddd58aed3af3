"""Chance: the control that any criterion has to beat."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Random(Criterion):
    """Minus a uniform random number per unit, drawn from the trial's own generator.

    From the same draws, `torch.nn.utils.prune.random_unstructured` takes the same units.
    """

    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        drawn = torch.rand(evidence.weights.shape[0], generator=evidence.generator)
        return -drawn.to(evidence.weights.device)
