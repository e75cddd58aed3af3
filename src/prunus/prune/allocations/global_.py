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
        gone = _lowest_of_all(scores, total)
        if all(count <= size - kept for count, size, kept in zip(gone, sizes, keep, strict=True)):
            return gone
        return _lowest_of_all([_lifted(each, kept) for each, kept in zip(scores, keep, strict=True)], total)


def _lowest_of_all(scores: Sequence[Tensor], total: int) -> list[int]:
    """How many of each set are among the `total` lowest, compared in the widest type among them."""
    parts = torch.split(lowest(torch.cat(list(scores)), total), [each.numel() for each in scores])
    return [int(part.count_nonzero()) for part in parts]


def _lifted(scores: Tensor, keep: int) -> Tensor:
    """The scores with so many of the highest, which make up the floor, out of reach."""
    return scores.masked_fill(~lowest(scores, scores.numel() - keep), torch.inf)
