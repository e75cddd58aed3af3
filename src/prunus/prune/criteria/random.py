"""Chance: the control that any criterion has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Random(Criterion):
    """A uniform random number per unit, drawn from the trial's own generator."""

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        drawn = torch.rand(evidence.weights.shape[0], generator=evidence.generator)
        return drawn.to(evidence.weights.device)
