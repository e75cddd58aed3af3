"""How much the loss would change, to first order, without the unit."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Gradient(Criterion):
    """The absolute value of the sum of weight x gradient over a unit: the first-order Taylor term of the loss.

    Source: Molchanov et al., "Importance estimation for neural network pruning", 2019, equation 8 (its root).
    """

    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence.weights * evidence["gradients"]).sum(1).abs()
