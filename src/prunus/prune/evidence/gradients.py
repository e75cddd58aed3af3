"""The gradient of the mean loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunus.prune.evidence.samples import Samples, batch_statistics


def gradients(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> gradient of the mean loss over the samples; norms over each batch, without dropout."""
    batch_statistics(model)
    parameters = [model.get_parameter(name) for name in names]
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    for loss in samples.weighed_losses(model):
        found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        torch._foreach_add_(totals, found)
    return dict(zip(names, totals, strict=True))
