"""How large the weights are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.precision import sum_type


class Magnitude(Criterion):
    """The L1 or L2 norm of a unit's weights; for single weights both are the absolute value.

    Source: Han et al., "Learning both weights and connections", 2015; for filters Li et al., "Pruning filters for
    efficient convnets", 2017.
    """

    norm: Literal[1, 2] = 1

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        if evidence.weights.shape[1] == 1:
            return evidence.weights[:, 0].abs()
        weights = evidence.weights
        norms: Tensor = torch.linalg.vector_norm(weights, ord=self.norm, dim=1, dtype=sum_type(weights.device))
        return norms
