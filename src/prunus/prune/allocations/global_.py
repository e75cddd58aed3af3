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
        ranked = [self._with_floor(each.float()) for each in scores]
        total = round(rate * sum(one.units for one in unit_sets))
        removable = sum(int((each < torch.inf).sum()) for each in ranked)
        gone = lowest(torch.cat(ranked), min(total, removable))
        return [int(part.sum()) for part in torch.split(gone, [one.units for one in unit_sets])]

    def _with_floor(self, scores: Tensor) -> Tensor:
        """The scores with the highest ones, which make up the floor, lifted out of reach."""
        keep = max(1, round(self.floor * scores.numel()))
        return scores.masked_fill(~lowest(scores, scores.numel() - keep), torch.inf)
