"""The scale of the normalisation behind a channel."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.precision import sum_type
from prunus.prune.units import Role


class BnScale(Criterion):
    """The absolute value of the scale (gamma) of the batch, group, layer or instance normalisation of a channel.

    For channels that a normalisation follows; layers without one are to be protected. Source: Liu et al., "Learning
    efficient convolutional networks through network slimming", 2017, without its penalty in training.
    """

    reads: ClassVar[Role] = "scales"
    patterns: ClassVar[tuple[str, ...]] = ("channel",)

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return evidence.weights.abs().mean(1, dtype=sum_type(evidence.weights.device))
