"""Ranges: between which two numbers a tensor's grid is laid, and the scale and zero point that follow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from prunus.quantization.rounding import Grid, from_integers, to_integers
from prunus.spec import Bits

SHARES = torch.logspace(-5, 0, 64, base=2.0, dtype=torch.float64).flip(0).tolist()
"""Shares of the whole range that the least squared error is searched among: from all of it to a 32nd, 5.7 % apart."""


def scale_of_weights(rows: Tensor, bits: Bits, grid: Grid) -> Tensor:
    """(channels,): the scale of each row of (channels, n) weights; 1 for a row that is all zeros."""
    ends = rows.abs().amax(dim=1)
    if bits.ranges == "percentile":
        ends = _quantile(rows.abs(), bits.percentile / 100)
    if bits.ranges == "mse":
        zeros = torch.zeros_like(ends)
        return _least_error(rows, lambda share: (_positive(ends * share / grid.highest), zeros), grid)[0]
    return _positive(ends / grid.highest)


def scale_of_activations(values: Tensor, bits: Bits, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scale and zero point of values (n,), zero always lying between the ends; 1 and 0 where all of them are zero."""
    row = values.reshape(1, -1)
    low, high = row.amin(dim=1).clamp(max=0), row.amax(dim=1).clamp(min=0)
    if bits.ranges == "percentile":
        low = -_quantile(-row, bits.percentile / 100).clamp(min=0)
        high = _quantile(row, bits.percentile / 100).clamp(min=0)

    def laid(share: float) -> tuple[Tensor, Tensor]:
        return _asymmetric(low * share, high * share, grid)

    scale, zero_point = _least_error(row, laid, grid) if bits.ranges == "mse" else laid(1.0)
    return scale.squeeze(0), zero_point.squeeze(0)


def _asymmetric(low: Tensor, high: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    scale = _positive((high - low) / (grid.highest - grid.lowest))
    return scale, (torch.round(-low / scale) + grid.lowest).clamp(grid.lowest, grid.highest)


def _positive(scale: Tensor) -> Tensor:
    """1 where there is nothing to scale; what float32 cannot divide by is as small as it can."""
    return torch.where(scale == 0, 1.0, scale.clamp(min=torch.finfo(torch.float32).tiny))


def _quantile(rows: Tensor, share: float) -> Tensor:
    """(rows,): the value below which this share of each row lies (`torch.quantile` takes 16 million elements alone)."""
    count = max(1, round(share * rows.shape[1]))
    return rows.kthvalue(min(count, rows.shape[1]), dim=1).values


def _least_error(rows: Tensor, laid: Callable[[float], tuple[Tensor, Tensor]], grid: Grid) -> tuple[Tensor, Tensor]:
    """Each row's grid of least squared error among those laid over shares of its range; the widest of equal ones."""
    best_scale, best_zero = laid(1.0)
    least = torch.full((len(rows),), torch.inf, dtype=torch.float64, device=rows.device)
    for share in SHARES:
        scale, zero = laid(share)
        column, zeros = scale.unsqueeze(1), zero.unsqueeze(1)
        error = (from_integers(to_integers(rows, column, zeros, grid), column, zeros) - rows).square()
        total = error.sum(dim=1, dtype=torch.float64)
        better = total < least
        least = torch.where(better, total, least)
        best_scale, best_zero = torch.where(better, scale, best_scale), torch.where(better, zero, best_zero)
    return best_scale, best_zero
