"""The optimal brain surgeon on one layer: which weights go, and what the others become.

A layer's weight is (groups, rows, d) and its Hessian (groups, d, d), the mean over calibration inputs of x xᵀ, so that
(w - w') H (w - w')ᵀ is the mean squared change of a row's output. All in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Choose = Callable[[Tensor, int], Tensor]
"""From saliencies of the weight's shape and a count to a mask of what goes, True where it goes."""

DAMPING = 0.01
"""Added to the Hessian's diagonal, as a share of its mean: few inputs do not determine all weights."""
ITERATIONS = 12
TOLERANCE = 1e-10


def damped(hessian: Tensor) -> Tensor:
    """The Hessian with its diagonal raised; inputs that never come get 1."""
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    mean = diagonal.mean(-1, keepdim=True)
    raised = (DAMPING * mean).expand_as(diagonal) + (mean == 0)
    return hessian + torch.diag_embed(raised)


def change(hessian: Tensor, before: Tensor, after: Tensor) -> float:
    """The mean squared change of the layer's outputs, summed over its rows."""
    difference = before - after
    return float(((difference @ hessian) * difference).sum())


def reconstructed(
    weight: Tensor, hessian: Tensor, count: int, choose: Choose, steps: int = 4, iterations: int = ITERATIONS
) -> Tensor:
    """The weight with `count` elements zero and the others moved so that outputs change least.

    In each of `steps` rounds those of lowest saliency w² / (2 [H⁻¹]) go, and the rest is solved for. Source: Hassibi &
    Stork, "Second order derivatives for network pruning: optimal brain surgeon", 1993, equation 5; on layers, Frantar &
    Alistarh, "Optimal brain compression", 2022.
    """
    safe = damped(hessian)
    spread = torch.cholesky_inverse(torch.linalg.cholesky(safe)).diagonal(dim1=-2, dim2=-1)[:, None, :]
    now, gone = weight.clone(), torch.zeros_like(weight, dtype=torch.bool)
    for step in range(1, steps + 1):
        saliency = (now.square() / (2 * spread)).masked_fill(gone, -torch.inf)
        gone = choose(saliency, round(count * step / steps))
        now = solved(weight, safe, gone, now.masked_fill(gone, 0), iterations * (1 + (step == steps)))
    return now


def solved(weight: Tensor, hessian: Tensor, gone: Tensor, start: Tensor, iterations: int) -> Tensor:
    """The remaining weights that change the outputs least, by conjugate gradients for all rows at once.

    Every iteration brings every row nearer; with one weight gone the result is the closed form. Preconditioned by the
    Hessian's diagonal.
    """
    scale = hessian.diagonal(dim1=-2, dim2=-1)[:, None, :]
    now = start.clone()
    residual = ((weight - now) @ hessian).masked_fill(gone, 0)
    first = residual.square().sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    along = residual / scale
    descent = (residual * along).sum(-1, keepdim=True)
    for _ in range(iterations):
        moved = (along @ hessian).masked_fill(gone, 0)
        step = descent / (along * moved).sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
        now += step * along
        residual -= step * moved
        if float((residual.square().sum(-1, keepdim=True) / first).max()) < TOLERANCE**2:
            break
        ahead = residual / scale
        further = (residual * ahead).sum(-1, keepdim=True)
        along = ahead + further / descent.clamp_min(torch.finfo(weight.dtype).tiny) * along
        descent = further
    return now
