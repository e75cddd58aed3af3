"""Whether training moves a weight away from zero."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Movement(Criterion):
    """Minus the sum of weight x gradient over all steps so far and over a unit: positive where weights grow.

    It gathers while the network trains, so it cannot be used before training. Source: Sanh et al., "Movement pruning:
    adaptive sparsity by fine-tuning", 2020, equation 5; there weights that are gone gather on, here they are gone.
    """

    needs: ClassVar[tuple[str, ...]] = ("movement",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return evidence["movement"].sum(1)
