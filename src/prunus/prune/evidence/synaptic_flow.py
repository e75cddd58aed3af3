"""How much of the network's flow goes through a weight, without any data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.prune.evidence.samples import Samples
from prunus.prune.precision import sum_type

ADDED = ("bias", "running_mean")
"""Tensors by whose last name they are added to what flows, and do not multiply it."""
LARGE = 900
"""From 2**900 on, or below 2**-900, products and sums of the flow are near the ends of what float64 holds."""
FAR = 1000


def synaptic_flow(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Parameter name -> gradient of R, the sum of the outputs of the network with all parameters |w| for inputs of 1.

    samples: only their first batch's shape is used. In float64; in evaluation mode, with buffers as |b| too. R
    multiplies over the layers, and in deep networks is too large even for that. With rectifiers it is proportional to
    inputs and biases together, so that these are then made smaller, and the gradient likewise: all of it by one factor,
    which leaves the order of the weights as it is. Source: Tanaka et al., 2020, equation 2.
    """
    model.to(sum_type(next(model.parameters()).device)).eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.abs_()
    flow, half = _in_reach(model, samples.batches[0][0])
    parameters = [model.get_parameter(name) for name in names]
    found = torch.autograd.grad(flow * 2.0**half, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def _in_reach(model: nn.Module, inputs: Any) -> tuple[Tensor, int]:
    """R, and the power of 2 by which inputs, biases and gradients are scaled; 0 where float64 holds all of it anyway.

    0 also where R is not proportional to inputs and biases, as behind a sigmoid.
    """
    plain = flow = _flow(model, inputs, 0)
    tried = 0
    for tried in (0, -FAR, FAR):
        flow = plain if tried == 0 else _flow(model, inputs, tried)
        if 0 < float(flow.detach()) < math.inf:
            break
    else:
        return plain, 0
    exponent = math.frexp(float(flow.detach()))[1] - tried
    if abs(exponent) < LARGE:
        return plain, 0
    half = -exponent // 2
    scaled, expected = _flow(model, inputs, half), math.ldexp(float(flow.detach()), half - tried)
    proportional = math.isclose(float(scaled.detach()), expected, rel_tol=1e-6)
    return (scaled, half) if proportional else (plain, 0)


def _flow(model: nn.Module, inputs: Any, exponent: int) -> Tensor:
    """R where inputs, and all that is added on the way, are multiplied by 2**exponent."""
    from prunus.trace.trace import as_call  # prunus.graph imports torch.export, which takes long

    held = (*model.named_parameters(), *model.named_buffers())
    added = {
        name: tensor * 2.0**exponent
        for name, tensor in held
        if tensor.is_floating_point() and name.rpartition(".")[2] in ADDED
    }

    def ones(tensor: Tensor) -> Tensor:
        kind = sum_type(tensor.device)
        first = tensor[:1]
        return torch.full_like(first, 2.0**exponent, dtype=kind) if first.is_floating_point() else first

    args, kwargs = as_call(tree_map_only(Tensor, ones, inputs))
    outputs = tree_leaves(torch.func.functional_call(model, added, args, kwargs))
    return torch.stack([one.sum() for one in outputs if isinstance(one, Tensor) and one.requires_grad]).sum()
