"""Other weights for the proof, lest those that all channels share hide a fault."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SMALL = 0.1
STATISTICS = ("running_mean", "running_var")


def random_constants(model: nn.Module) -> dict[int, Tensor]:
    """Random values for the tensors that are the same for all of their channels: id of the tensor -> its values.

    Of norms that are new any channel may be cut, and nothing shows; a network whose last layer or residual branches
    start at zero computes the same whatever is cut before them. Values are of a size that keeps activations moderate.
    """
    generator = torch.Generator().manual_seed(0)
    tensors = [*model.parameters(), *(buffer for name, buffer in model.named_buffers() if name.endswith(STATISTICS))]
    with torch.no_grad():
        return {id(each): _random(each, generator) for each in tensors if _is_constant(each)}


def _is_constant(tensor: Tensor) -> bool:
    """Whether it is one number, or all of its rows or columns are the same."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return tensor.numel() == 1 or any(_is_repeated(tensor, dim) for dim in range(min(tensor.dim(), 2)))


def _is_repeated(tensor: Tensor, dim: int) -> bool:
    if tensor.shape[dim] < 2:
        return False
    first = tensor.narrow(dim, 0, 1)
    return bool((tensor.narrow(dim, 1, 1) == first).all()) and bool((tensor == first).all())


def _random(tensor: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype if tensor.is_complex() else None)
    noise = noise.to(tensor)
    if tensor.dim() < 2:  # scales stay near one, shifts near zero, variances above zero
        return tensor + SMALL * noise.abs()
    return noise / math.sqrt(max(tensor[0].numel(), 1))
