"""How far a filter is from all others of its layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.precision import sum_type


class GeometricMedian(Criterion):
    """The sum of the distances from a unit's weights to those of all others: what lies in the middle can be spared.

    For whole filters: rows and channels. Source: He et al., "Filter pruning via geometric median for deep convolutional
    neural networks acceleration" (FPGM), 2019, equation 4.
    """

    patterns: ClassVar[tuple[str, ...]] = ("row", "channel")

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        weights = evidence.weights.to(sum_type(evidence.weights.device))
        distances: Tensor = torch.cdist(weights, weights, compute_mode="donot_use_mm_for_euclid_dist")
        return distances.sum(1)
