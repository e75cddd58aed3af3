"""The Hessian times the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunus.prune.evidence.gradients import gradients
from prunus.prune.evidence.samples import Samples, batch_statistics


def hessian_gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> its part of H g, with g the gradient of the mean loss and H its Hessian, over those named.

    The gradient of g · (g, held fixed): batch by batch, never the Hessian itself (Pearlmutter, 1994).
    """
    fixed = list(gradients(model, names, samples).values())
    batch_statistics(model)
    parameters = [model.get_parameter(name) for name in names]
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    for loss in samples.weighed_losses(model):
        first = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        along = torch.stack([(one * other).sum() for one, other in zip(first, fixed, strict=True)]).sum()
        found = torch.autograd.grad(along, parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(totals, found)
    return dict(zip(names, totals, strict=True))
