"""Other weights for the proof, lest those that all channels share hide a fault."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prunus.graph.copying import held_tensors

SMALL = 0.1
STATISTICS = ("running_mean", "running_var")


def random_constants(model: nn.Module) -> dict[int, Tensor]:
    """Random values for the tensors that are the same for all of their channels: id of the tensor -> its values.

    Of norms that are new any channel may be cut, and nothing shows; a network whose last layer or residual branches
    start at zero computes the same whatever is cut before them. Values are of a size that keeps activations moderate.
    """
    generator = torch.Generator().manual_seed(0)
    held = dict(held_tensors(model))
    weights = [tensor for tensor in held.values() if isinstance(tensor, nn.Parameter)]
    statistics = [tensor for name, tensor in held.items() if name.endswith(STATISTICS)]
    with torch.no_grad():
        each = {id(tensor): tensor for tensor in (*weights, *statistics)}
        return {key: _random(tensor, generator) for key, tensor in each.items() if _is_constant(tensor)}


def _is_constant(tensor: Tensor) -> bool:
    """Whether it is one number, or all of its rows or columns are the same."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return tensor.numel() == 1 or any(_is_repeated(tensor, dim) for dim in range(min(tensor.dim(), 2)))


def _is_repeated(tensor: Tensor, dim: int) -> bool:
    if tensor.shape[dim] < 2:
        return False
    first = tensor.narrow(dim, 0, 1)
    return torch.equal(tensor.narrow(dim, 1, 1), first) and bool((tensor == first).all())


def _random(tensor: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype if tensor.is_complex() else None)
    noise = noise.to(tensor)
    if tensor.dim() < 2:  # scales stay near one, shifts near zero, variances above zero
        return tensor + SMALL * noise.abs()
    return noise / math.sqrt(max(tensor[0].numel(), 1))
