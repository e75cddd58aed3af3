"""Rounding one layer's weight so that its outputs change least: others make up for what a rounded weight is off.

Weights and Hessians are as in `prunus.reconstruct.least_change`, in float64. A weight that is gone stays zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunus.quantization import Grid, from_integers, to_integers

COLUMNS_AT_ONCE = 128
"""So many columns are rounded before what they are off is handed on to all others, in one product of matrices."""
SWEEPS = 8
"""How often every weight is looked at once more, at most; sweeps end where one changes nothing."""
ZERO = torch.zeros((), dtype=torch.float64)


def nearest(weight: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """Each weight rounded by itself. weight: (groups, rows, d). scale: (groups, rows), what a step stands for."""
    return _on_grid(weight, scale[..., None], grid)


def rounded(
    weight: Tensor, start: Tensor, hessian: Tensor, gone: Tensor, scale: Tensor, grid: Grid, sweeps: int = SWEEPS
) -> Tensor:
    """A weight on the grid that changes the outputs little, with zeros where `gone` is True.

    Two steps. Column after column is rounded, and what it is off is made up for by the columns behind it, which are not
    yet rounded (Frantar et al., "GPTQ", 2022, arXiv:2210.17323; with zeros as "SparseGPT", Frantar & Alistarh, 2023,
    arXiv:2301.00774, section 3.5). Then each weight takes the step that is best while all others stay, as long as that
    changes something (Behdin et al., "QuantEase", 2023, arXiv:2309.01885); no such step makes it worse.

    Args:
        weight: what is to be come close to, (groups, rows, d).
        start: the weight with zeros, the others moved to make up for them; it is what is rounded.
        hessian: damped, (groups, d, d).
        gone: of the weight's shape.
        scale: (groups, rows).
        grid: the integers.
        sweeps: how often every weight is looked at once more, at most.
    """
    return descended(weight, column_by_column(start, hessian, gone, scale, grid), hessian, gone, scale, grid, sweeps)


def column_by_column(start: Tensor, hessian: Tensor, gone: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """GPTQ: the columns with the largest inputs first; the last of them have nothing left that makes up for them."""
    order = hessian.diagonal(dim1=-2, dim2=-1).argsort(dim=-1, descending=True, stable=True)
    across = order[:, None, :].expand_as(start)
    now, off_limits = start.gather(2, across), gone.gather(2, across)
    factors = _inverse_factor(_permuted(hessian, order))
    for first in range(0, start.shape[-1], COLUMNS_AT_ONCE):
        last = min(first + COLUMNS_AT_ONCE, start.shape[-1])
        errors = torch.zeros_like(now[..., first:last])
        for column in range(first, last):
            found = _on_grid(now[..., column], scale, grid).masked_fill(off_limits[..., column], 0)
            error = (now[..., column] - found) / factors[:, None, column, column]
            now[..., column:last] -= error[..., None] * factors[:, None, column, column:last]
            now[..., column], errors[..., column - first] = found, error
        now[..., last:] -= errors @ factors[:, first:last, last:]
    return torch.empty_like(now).scatter_(2, across, now)


def descended(
    weight: Tensor, start: Tensor, hessian: Tensor, gone: Tensor, scale: Tensor, grid: Grid, sweeps: int = SWEEPS
) -> Tensor:
    """Coordinate descent over the grid: never worse than the start, measured by the Hessian given."""
    now, slope = start.clone(), (weight - start) @ hessian
    for _ in range(sweeps):
        before = now.clone()
        for first in range(0, now.shape[-1], COLUMNS_AT_ONCE):
            last = min(first + COLUMNS_AT_ONCE, now.shape[-1])
            own, held = slope[..., first:last].clone(), now[..., first:last].clone()
            for column in range(first, last):
                row = hessian[:, column, first:last]
                best = now[..., column] + own[..., column - first] / row[:, None, column - first]
                found = _on_grid(best, scale, grid).masked_fill(gone[..., column], 0)
                own -= (found - now[..., column])[..., None] * row[:, None, :]
                now[..., column] = found
            slope -= (now[..., first:last] - held) @ hessian[:, first:last]
        if torch.equal(now, before):
            break
    return now


def _on_grid(values: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    return from_integers(to_integers(values, scale, ZERO, grid), scale, ZERO)


def _inverse_factor(hessian: Tensor) -> Tensor:
    """The upper triangular matrix whose transpose times itself is the inverse of the Hessian."""
    lower: Tensor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)))
    return lower.mT.contiguous()


def _permuted(hessian: Tensor, order: Tensor) -> Tensor:
    rows = hessian.gather(1, order[..., None].expand_as(hessian))
    return rows.gather(2, order[:, None, :].expand_as(hessian))
