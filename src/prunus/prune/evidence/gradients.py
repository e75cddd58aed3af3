"""Gradients of the mean loss, the Hessian times them, and the diagonal of the empirical Fisher information."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunus.prune.evidence.samples import Samples, batch_statistics, for_gradients, totals_of


def gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> gradient of the mean loss over the samples; norms over each batch, without dropout."""
    samples = for_gradients(model, samples)
    batch_statistics(model)
    parameters = [model.get_parameter(name) for name in names]
    totals = totals_of(parameters)
    for loss in samples.weighed_losses(model):
        found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(totals, found)
    return dict(zip(names, totals, strict=True))


def hessian_gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> its part of H g, with g the gradient of the mean loss and H its Hessian, over those named.

    The gradient of g · (g, held fixed): batch by batch, never the Hessian itself (Pearlmutter, 1994).
    """
    fixed = list(gradients(model, names, samples).values())
    samples = for_gradients(model, samples)
    batch_statistics(model)
    parameters = [model.get_parameter(name) for name in names]
    totals = totals_of(parameters)
    for loss in samples.weighed_losses(model):
        first = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
        along = torch.stack([(one * other).sum() for one, other in zip(first, fixed, strict=True)]).sum()
        found = torch.autograd.grad(along, parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(totals, found)
    return dict(zip(names, totals, strict=True))


MOST_INPUTS = 64
"""Inputs are taken one by one, which costs more than a batch."""


def squared_gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> mean over at most 64 inputs of the squared gradient of one input's loss, in evaluation mode."""
    model.eval()
    singles = for_gradients(model, samples).first(MOST_INPUTS)
    parameters = [model.get_parameter(name) for name in names]
    totals = totals_of(parameters)
    for loss in singles.weighed_losses(model):
        found = torch.autograd.grad(loss * len(singles), parameters, allow_unused=True, materialize_grads=True)
        for total, gradient in zip(totals, found, strict=True):
            total.add_(gradient.to(total.dtype).square(), alpha=1 / len(singles))  # the square of 1e-30 is 0 in float32
    return dict(zip(names, totals, strict=True))
