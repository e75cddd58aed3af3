"""What a layer's weights are multiplied with: the size of the inputs behind every single weight."""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.prune.evidence.samples import Samples, call

Layer: TypeAlias = nn.Linear | _ConvNd
Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]


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
    for layer, arguments in _seen(model.eval(), set(by_weight), samples):
        weights = _of_attention if isinstance(layer, nn.MultiheadAttention) else _of_layer
        for weight, sums in weights(layer, arguments, of):
            if id(weight) in by_weight:
                totals[by_weight[id(weight)]] += sums
    return totals


@torch.no_grad()
def _seen(model: nn.Module, weights: set[int], samples: Samples) -> Iterator[tuple[Any, Arguments]]:
    """Every call of a layer that holds one of the weights (by id), with what it is given."""
    seen: list[tuple[nn.Module, Arguments]] = []
    for layer in model.modules():
        held = layer.parameters() if isinstance(layer, nn.MultiheadAttention) else layer.parameters(recurse=False)
        if isinstance(layer, (nn.Linear, _ConvNd, nn.MultiheadAttention)) and any(id(one) in weights for one in held):
            layer.register_forward_pre_hook(lambda one, *given: seen.append((one, given)), with_kwargs=True)
    for inputs, _ in samples.batches:
        call(model, inputs)
        calls, seen[:] = list(seen), []
        yield from calls


def _of_layer(layer: Layer, arguments: Arguments, of: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    args, kwargs = arguments
    yield layer.weight, _summed(layer, of(args[0] if args else kwargs["input"]))


def _of_attention(
    layer: nn.MultiheadAttention, arguments: Arguments, of: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The projections in are given query, key and value; the one out what comes out where it changes nothing."""
    args, kwargs = arguments
    given = inspect.signature(nn.MultiheadAttention.forward).bind(layer, *args, **kwargs).arguments
    plain = copy.copy(layer)
    plain._forward_pre_hooks = OrderedDict()
    width = layer.embed_dim
    unchanged = {"out_proj.weight": torch.eye(width).to(layer.out_proj.weight)}
    if layer.out_proj.bias is not None:
        unchanged["out_proj.bias"] = torch.zeros_like(layer.out_proj.bias)
    heads = torch.func.functional_call(plain, unchanged, args, kwargs)[0]
    yield layer.out_proj.weight, _along_rows(of(heads), width)
    parts = [_along_rows(of(given[name]), width) for name in ("query", "key", "value")]
    if layer.in_proj_weight is not None:
        yield layer.in_proj_weight, torch.cat(parts)
    else:
        yield from zip((layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight), parts, strict=True)


def _along_rows(values: Tensor, rows: int) -> Tensor:
    """(..., d) -> (rows, d): all that each row of a projection's weight is multiplied with, summed up."""
    return values.reshape(-1, values.shape[-1]).sum(0).expand(rows, -1)


def _summed(layer: Layer, values: Tensor) -> Tensor:
    """The gradient of sum(layer(x)) by a weight is the sum of all x that it is multiplied with, whatever the layer."""
    alike = values.reshape(-1, values.shape[-1]) if isinstance(layer, nn.Linear) else values
    plain = copy.copy(layer)
    plain._forward_pre_hooks = OrderedDict()
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    output = torch.func.functional_call(plain, {"weight": weight}, (alike.sum(0, keepdim=True),))
    return torch.autograd.grad(output.sum(), weight)[0]
