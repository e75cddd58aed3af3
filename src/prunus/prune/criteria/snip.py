"""Connection sensitivity."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Snip(Criterion):
    """The sum of |weight x gradient| over a unit; for single weights the same score as `gradient`.

    Meant for the schedule `at_init` and the allocation `global`. The paper divides by the sum over the network, which
    leaves the order as it is. Source: Lee et al., "SNIP: single-shot network pruning based on connection sensitivity",
    2019, equation 6.
    """

    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence.weights * evidence["gradients"]).abs().sum(1)
