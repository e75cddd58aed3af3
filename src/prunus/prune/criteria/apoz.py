"""How often a channel is switched off."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence
from prunus.prune.units import Role


class Apoz(Criterion):
    """The share of a channel's activations that is not zero, as the layers that read it see it while training.

    One minus the average percentage of zeros (APoZ), which the paper takes behind the rectifier; here over all inputs
    of the training so far instead of a validation set. For channels. Source: Hu et al., "Network trimming: a
    data-driven neuron pruning approach towards efficient deep architectures", 2016, equation 1.
    """

    needs: ClassVar[tuple[str, ...]] = ("zero_shares",)
    reads: ClassVar[Role] = "readers"
    patterns: ClassVar[tuple[str, ...]] = ("channel",)

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return 1 - evidence["zero_shares"].mean(1)
