"""What a layer's weights are multiplied with: the size of the inputs behind every single weight."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.prune.evidence.samples import Samples, call

Layer: TypeAlias = nn.Linear | _ConvNd


def input_norms(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Weight name -> at each weight the L2 norm, over samples and positions, of what it is multiplied with."""
    return {name: total.sqrt() for name, total in _totals(model, names, samples, torch.square).items()}


def input_means(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Weight name -> at each weight the mean, over samples and positions, of |what it is multiplied with|."""
    sums = _totals(model, names, samples, torch.abs)
    counts = _totals(model, names, samples, torch.ones_like)
    return {name: total / counts[name].clamp_min(1) for name, total in sums.items()}


def _totals(
    model: nn.Module, names: Sequence[str], samples: Samples, of: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Weight name -> at each weight the sum of `of` over all it is multiplied with; all its layers together."""
    totals = {name: torch.zeros_like(model.get_parameter(name)) for name in names}
    by_weight = {id(model.get_parameter(name)): name for name in names}
    for layer, inputs in _seen(model.eval(), set(by_weight), samples):
        totals[by_weight[id(layer.weight)]] += _summed(layer, of(inputs))
    return totals


@torch.no_grad()
def _seen(model: nn.Module, weights: set[int], samples: Samples) -> Iterator[tuple[Layer, Tensor]]:
    """Every call of a layer that holds one of the weights (by id), with what it is given."""
    seen: list[tuple[Layer, Tensor]] = []
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, _ConvNd)) and id(layer.weight) in weights:
            layer.register_forward_pre_hook(lambda layer, inputs: seen.append((layer, inputs[0])))
    for inputs, _ in samples.batches:
        call(model, inputs)
        calls, seen[:] = list(seen), []
        yield from calls


def _summed(layer: Layer, values: Tensor) -> Tensor:
    """The gradient of sum(layer(x)) by a weight is the sum of all x that it is multiplied with, whatever the layer."""
    alike = values.reshape(-1, values.shape[-1]) if isinstance(layer, nn.Linear) else values
    plain = copy.copy(layer)
    plain._forward_pre_hooks = OrderedDict()
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    output = torch.func.functional_call(plain, {"weight": weight}, (alike.sum(0, keepdim=True),))
    return torch.autograd.grad(output.sum(), weight)[0]
