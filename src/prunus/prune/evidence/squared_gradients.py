"""The diagonal of the empirical Fisher information."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunus.prune.evidence.samples import Samples

MOST_INPUTS = 64
"""Inputs are taken one by one, which costs more than a batch."""


def squared_gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> mean over at most 64 inputs of the squared gradient of one input's loss, in evaluation mode."""
    model.eval()
    singles = samples.first(MOST_INPUTS)
    parameters = [model.get_parameter(name) for name in names]
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    for loss in singles.weighed_losses(model):
        found = torch.autograd.grad(loss * len(singles), parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_addcmul_(totals, found, found, 1 / len(singles))
    return dict(zip(names, totals, strict=True))
