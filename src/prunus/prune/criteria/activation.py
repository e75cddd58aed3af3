"""How strongly a channel is active."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.units import Role


class Activation(Criterion):
    """The mean absolute value of a channel as the layers that read it see it, behind its normalisation and activation.

    For channels. Source: Molchanov et al., "Pruning convolutional neural networks for resource efficient inference",
    2017, section 2.2 (mean activation).
    """

    needs: ClassVar[tuple[str, ...]] = ("input_means",)
    reads: ClassVar[Role] = "readers"
    patterns: ClassVar[tuple[str, ...]] = ("channel",)

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return evidence["input_means"].mean(1)
