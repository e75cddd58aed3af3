"""Zeros that are held: masks laid over a network again and again, after every step of whatever changes its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.masks import Masks

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
