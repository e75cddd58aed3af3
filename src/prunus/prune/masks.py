"""Masks: True for what stays. Choosing the lowest scores exactly, laying masks over parameters, counting zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]
"""Parameter name -> boolean mask of the parameter's shape, True for what stays."""


def lowest(scores: Tensor, count: int) -> Tensor:
    """Mark exactly `count` lowest scores; among equal scores the first in order go first.

    scores: (n,), any order of magnitude, infinities allowed, no NaN. Returns a boolean tensor (n,).

    >>> lowest(torch.tensor([3.0, 1.0, 1.0, 1.0]), 2)
    tensor([False,  True,  True, False])
    """
    if count <= 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    if count >= scores.numel():
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = _kth(scores, count)
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen


def _kth(scores: Tensor, count: int) -> Tensor:
    """The `count`-th lowest; on CPUs by NumPy, several times as fast as `kthvalue`."""
    if scores.device.type != "cpu" or scores.dtype not in (torch.float32, torch.float64):
        return scores.kthvalue(count).values
    return torch.as_tensor(np.partition(scores.detach().numpy(), count - 1)[count - 1])


def lowest_of_each(scores: Tensor, count: int) -> Tensor:
    """Mark exactly `count` lowest scores of every row; among equal scores the first in order go first.

    scores: (rows, n). Returns a boolean tensor of that shape.

    >>> lowest_of_each(torch.tensor([[3.0, 1.0, 1.0, 1.0], [4.0, 3.0, 2.0, 1.0]]), 2)
    tensor([[False,  True,  True, False],
            [False, False,  True,  True]])
    """
    order = scores.argsort(dim=1, stable=True)[:, : max(count, 0)]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order, True)


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set what the masks leave out to zero, in place."""
    for name, mask in masks.items():
        model.get_parameter(name).masked_fill_(~mask, 0)


def sparsity(weights: Iterable[Tensor]) -> float:
    """Share of the elements that is zero.

    >>> sparsity([torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0])])
    0.75
    """
    total = zeros = 0
    for weight in weights:
        total += weight.numel()
        zeros += weight.numel() - int(weight.count_nonzero())
    return zeros / total if total else 0.0
