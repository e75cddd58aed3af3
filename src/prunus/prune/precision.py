"""The types in which numbers are summed up and ranked, whatever the type of the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HALF = (torch.float16, torch.bfloat16)


def sum_type(device: torch.device) -> torch.dtype:
    """The type of sums: float64, or float32 on a device that has no other (MPS)."""
    return torch.float32 if device.type == "mps" else torch.float64


def widened(tensor: Tensor) -> Tensor:
    """The same numbers, in float32 where they were in half precision, whose products overflow and sums stop growing.

    >>> widened(torch.ones(2, dtype=torch.bfloat16)).dtype, widened(torch.ones(2, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return tensor.float() if tensor.dtype in HALF else tensor


def widen_model(model: nn.Module) -> None:
    """Turn all parameters and buffers in half precision into float32, in place."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = widened(tensor.data)
