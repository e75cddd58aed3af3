"""How large what a weight passes on is."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Wanda(Criterion):
    """The sum of |weight| x norm of its inputs over a unit.

    The paper ranks within each output row; here the allocation and the pattern say within what. Source: Sun et al., "A
    simple and effective pruning approach for large language models", 2023, equation 1.
    """

    needs: ClassVar[tuple[str, ...]] = ("input_norms",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence.weights.abs() * evidence["input_norms"]).sum(1)
