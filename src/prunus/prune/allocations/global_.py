"""One ranking over the whole network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from prunus.prune.allocations.allocation import Allocation
from prunus.prune.masks import lowest
from prunus.prune.units import UnitSet


class Global(Allocation):
    """The lowest scores go wherever they are; every set keeps at least the share `floor` of its units, and one unit."""

    floor: float = Field(default=0.01, ge=0, le=1)

    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:  # noqa: D102
        sizes = [one.units for one in unit_sets]
        keep = [max(1, round(self.floor * size)) for size in sizes]
        total = min(round(rate * sum(sizes)), sum(sizes) - sum(keep))
        ranked = [each.float() for each in scores]
        while True:
            gone = [int(part.count_nonzero()) for part in torch.split(lowest(torch.cat(ranked), total), sizes)]
            short = [index for index, count in enumerate(gone) if count > sizes[index] - keep[index]]
            if not short:
                return gone
            for index in short:
                ranked[index] = _lifted(ranked[index], keep[index])


def _lifted(scores: Tensor, keep: int) -> Tensor:
    """The scores with so many of the highest, which make up the floor, out of reach."""
    return scores.masked_fill(~lowest(scores, scores.numel() - keep), torch.inf)
