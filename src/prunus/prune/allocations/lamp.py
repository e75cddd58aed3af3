"""One ranking over the network of scores that each layer has made comparable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunus.prune.allocations.allocation import Allocation
from prunus.prune.allocations.global_ import Global
from prunus.prune.precision import sum_type
from prunus.prune.units import UnitSet


class Lamp(Allocation):
    """Each score² over the sum of score² of all that are not lower in its layer; then the lowest go, as in `global`.

    The highest unit of every layer has 1, so no layer is emptied. Meant for magnitude; other criteria's scores take its
    place, in a layer where some are below zero all raised by its lowest. Source: Lee et al., "Layer-adaptive sparsity
    for the magnitude-based pruning", 2021, equation 4.
    """

    def counts(self, unit_sets: Sequence[UnitSet], scores: Sequence[Tensor], rate: float) -> list[int]:  # noqa: D102
        return Global(floor=0).counts(unit_sets, [lamp(each) for each in scores], rate)


def lamp(scores: Tensor) -> Tensor:
    """(units,) in float64; -inf, which is gone already, stays -inf.

    >>> [round(share, 4) for share in lamp(torch.tensor([1.0, 3.0, 2.0])).tolist()]
    [0.0714, 1.0, 0.3077]
    """
    gone = scores == -torch.inf
    wide = scores.to(sum_type(scores.device)).masked_fill(gone, 0)
    raised = (wide - wide.min().clamp_max(0)).masked_fill(gone, 0) if wide.numel() else wide
    largest = raised.max() if raised.numel() else 0
    squares = (
        (raised / largest).square() if largest > 0 else raised
    )  # of a share, whose square neither over- nor underflows
    order = scores.argsort(stable=True)
    ranked = squares[order]
    tails = ranked.flip(0).cumsum(0).flip(0).clamp_min(torch.finfo(squares.dtype).tiny)
    found = torch.empty_like(squares)
    found[order] = ranked / tails
    return found.masked_fill(scores == -torch.inf, -torch.inf)
