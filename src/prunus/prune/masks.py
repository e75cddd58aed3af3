"""Masks: True for what stays. Choosing the lowest scores exactly, laying masks over parameters, counting zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from prunus.errors import InputError

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
    """Set what the masks leave out to zero, in place.

    Args:
        model: the network, or an averaged copy of it.
        masks: parameter name -> boolean mask of the parameter's shape, True for what stays.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> apply_masks(layer, {"weight": torch.tensor([[True, False]])})
        >>> float(layer.weight[0, 1].detach())
        0.0
    """
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


INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of an element -> the integers of that size."""


class Hold:
    """Sets what masks leave out to zero, whatever stands there: `0 * nan` would be no zero, and a fill takes 20 times
    as long, so that the bits of a weight are joined with all ones or all zeros.

    Weights are looked up by their names each time. They may be others than before: loaded with `assign=True`, shared,
    converted to another type, on another device.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._bits: dict[str, Tensor] = {}

    @torch.no_grad()
    def lay(self, model: nn.Module) -> None:
        """Set the weights in place. Raises `InputError` for one that is gone or has another shape."""
        for name, mask in self._masks.items():
            weight = _looked_up(model, name)
            plain = torch.view_as_real(weight) if weight.is_complex() else weight
            integers = INTEGERS[plain.element_size()]
            bits = self._bits.get(name)
            if bits is None or bits.dtype != integers or bits.device != plain.device or bits.shape != plain.shape:
                bits = self._bits[name] = _bits(name, mask, plain, integers)
            plain.view(integers).bitwise_and_(bits)


def _looked_up(model: nn.Module, name: str) -> Tensor:
    try:
        return model.get_parameter(name)
    except AttributeError as error:
        raise InputError(
            f"The weight {name!r}, which was pruned, is no parameter of the network any more",
            str(error),
            "leave parametrizations and modules as they are while a pruner works, or make another pruner",
        ) from None


def _bits(name: str, mask: Tensor, weight: Tensor, integers: torch.dtype) -> Tensor:
    """All ones where the mask is True, all zeros elsewhere; laid out in memory as the weight is."""
    spread = mask if mask.dim() == weight.dim() else mask.unsqueeze(-1).expand(weight.shape)  # real, imaginary
    if spread.shape != weight.shape:
        raise InputError(
            f"The weight {name!r} has another shape than when it was pruned",
            f"it was {tuple(mask.shape)} and is {tuple(weight.shape)}",
            "make another pruner where layers are replaced",
        )
    return torch.empty_like(weight, dtype=integers).copy_(spread).neg_()
