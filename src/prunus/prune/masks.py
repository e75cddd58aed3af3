"""Masks: True for what stays. Choosing the lowest scores exactly, laying masks over parameters, counting zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

MANY, SAMPLE = 2**16, 2**12
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"
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
    if scores.device.type != "cpu" or scores.dtype not in (torch.float32, torch.float64):
        threshold = scores.kthvalue(count).values
        chosen = scores < threshold
        ties = (scores == threshold).nonzero().flatten()
        chosen[ties[: count - int(chosen.sum())]] = True
        return chosen
    values = scores.detach().numpy()  # on CPUs several times as fast
    bound = _kth(values, count)
    below = values < bound
    below[np.flatnonzero(values == bound)[: count - np.count_nonzero(below)]] = True
    return torch.from_numpy(below)


def _kth(values: Floats, count: int) -> float:
    """The `count`-th lowest, (n,): between two bounds from a sample, so that few are left to be partitioned.

    Where many are equal, as in a network that was pruned before, a partition of all takes 20 times as long.
    """
    if values.size >= MANY:
        sample = np.sort(values[:: values.size // SAMPLE])
        place, slack = count / values.size * sample.size, 4 * sample.size**0.5
        low, high = sample[max(0, int(place - slack))], sample[min(sample.size - 1, int(place + slack))]
        rank = count - 1 - np.count_nonzero(values < low)
        at_low = np.count_nonzero(values == low)
        if 0 <= rank < at_low:
            return float(low)
        between = values[(values > low) & (values < high)]
        if 0 <= rank - at_low < between.size:
            return float(np.partition(between, rank - at_low)[rank - at_low])
        if 0 <= rank - at_low - between.size < np.count_nonzero(values == high):
            return float(high)
    return float(np.partition(values, count - 1)[count - 1])


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
