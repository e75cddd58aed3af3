"""How much the flow of gradients would suffer without the unit."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Grasp(Criterion):
    """The sum of weight x (Hessian x gradient) over a unit: what its removal takes from the gradient's squared norm.

    It may be negative: without such a unit the gradient would be larger. Meant for `at_init` and `global`. Source: Wang
    et al., "Picking winning tickets before training by preserving gradient flow", 2020, equation 8, its sign turned so
    that higher is more important, without the temperature of its program.
    """

    needs: ClassVar[tuple[str, ...]] = ("hessian_gradients",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence.weights * evidence["hessian_gradients"]).sum(1)
