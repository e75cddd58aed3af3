"""Other weights for the proof, lest layers that start at zero hide a fault."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prunus.graph.copying import fresh_copy

SMALL = 0.1


def randomised(model: nn.Module) -> nn.Module:
    """A copy whose parameters and running statistics are random, of a size that keeps activations moderate.

    A network whose last layer or residual branches start at zero computes the same whatever is cut before them.
    """
    twin = fresh_copy(model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in twin.parameters():
            values = torch.view_as_real(parameter) if parameter.is_complex() else parameter
            if values.is_floating_point():
                values.copy_(_random(values, generator))
        for name, buffer in twin.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(SMALL * torch.rand(buffer.shape, generator=generator).to(buffer))
    return twin


def _random(parameter: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(parameter.shape, generator=generator).to(parameter)
    if parameter.dim() < 2:  # scales stay near one, shifts near zero
        return parameter + SMALL * noise
    fan_in = max(parameter[0].numel(), 1)
    return noise / math.sqrt(fan_in)
