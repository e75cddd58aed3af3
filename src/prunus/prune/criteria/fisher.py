"""How much the loss would change, to second order, by the diagonal of the Fisher information."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Fisher(Criterion):
    """Half the sum of weight² x mean squared gradient over a unit.

    Sources: LeCun et al., "Optimal brain damage", 1990; with the Fisher information for the Hessian, Theis et al.,
    "Faster gaze prediction with dense networks and Fisher pruning", 2018.
    """

    needs: ClassVar[tuple[str, ...]] = ("squared_gradients",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence["squared_gradients"] * evidence.weights * evidence.weights).sum(1) / 2
