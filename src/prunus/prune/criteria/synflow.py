"""Synaptic flow, which needs no data."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from prunus.prune.criteria.criterion import Criterion, Evidence


class Synflow(Criterion):
    """The sum of |weight| x synaptic flow over a unit, in float64.

    Meant for the schedule `at_init` with many steps and the allocation `global`. Source: Tanaka et al., "Pruning neural
    networks without any data by iteratively conserving synaptic flow", 2020, equation 2.
    """

    needs: ClassVar[tuple[str, ...]] = ("synaptic_flow",)
    additive: ClassVar[bool] = True

    def score(self, evidence: Evidence) -> Tensor:  # noqa: D102
        return (evidence.weights.abs() * evidence["synaptic_flow"]).sum(1)
