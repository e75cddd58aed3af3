"""How much of the network's flow goes through a weight, without any data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.prune.evidence.samples import Samples, call


def synaptic_flow(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> gradient of R, the sum of the outputs of the network with all parameters |w| for inputs of 1.

    samples: only their first batch's shape is used. In float64, since R multiplies over the layers; in evaluation
    mode, with buffers as |b| too. Source: Tanaka et al., 2020, equation 2.
    """
    model.double().eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.abs_()
    inputs = tree_map_only(Tensor, _ones, samples.batches[0][0])
    parameters = [model.get_parameter(name) for name in names]
    outputs = [leaf for leaf in tree_leaves(call(model, inputs)) if isinstance(leaf, Tensor)]
    flow = torch.stack([output.sum() for output in outputs if output.requires_grad]).sum()
    found = torch.autograd.grad(flow, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def _ones(tensor: Tensor) -> Tensor:
    first = tensor[:1]
    return torch.ones_like(first, dtype=torch.float64) if first.is_floating_point() else first
