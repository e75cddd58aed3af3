"""What a layer's weights are multiplied with: the size of the inputs behind every single weight."""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.prune.evidence.samples import Samples, call, totals_of
from prunus.prune.precision import sum_type
from prunus.trace.inventory import by_outputs, is_linear

Layer: TypeAlias = nn.Linear | _ConvNd
Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Of: TypeAlias = Callable[[Tensor], Tensor]
"""What is summed up, from the absolute values of a layer's inputs."""


def input_norms(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Weight name -> at each weight the L2 norm, over samples and positions, of what it is multiplied with."""
    return {name: total.sqrt() for name, total in _totals(model, names, samples, torch.square).items()}


def input_means(model: nn.Module, names: Sequence[str], samples: Samples) -> dict[str, Tensor]:
    """Weight name -> at each weight the mean, over samples and positions, of |what it is multiplied with|."""
    sums = _totals(model, names, samples, torch.abs)
    counts = _totals(model, names, samples, torch.ones_like)
    return {name: total / counts[name].clamp_min(1) for name, total in sums.items()}


@torch.no_grad()
def _totals(model: nn.Module, names: Sequence[str], samples: Samples, of: Of) -> dict[str, Tensor]:
    """Weight name -> at each weight the sum of `of` over all it is multiplied with; all its layers together."""
    weights = [model.get_parameter(name) for name in names]
    totals = totals_of(weights)
    by_weight = {id(weight): total for weight, total in zip(weights, totals, strict=True)}

    def add(layer: nn.Module, *arguments: Any) -> None:
        """At once, for what a layer is given may be written over by the next one."""
        for weight, found in sums_of_inputs(layer, arguments, of):
            if id(weight) in by_weight:
                by_weight[id(weight)] += found

    handles = [layer.register_forward_pre_hook(add, with_kwargs=True) for layer in readers(model.eval(), weights)]
    for inputs, _ in samples.batches:
        call(model, inputs)
    for handle in handles:
        handle.remove()
    return dict(zip(names, totals, strict=True))


def readers(model: nn.Module, weights: Iterable[Tensor]) -> Iterator[nn.Module]:
    """The layers that multiply their inputs with one of these weights, of the kinds that `sums_of_inputs` knows."""
    wanted = {id(weight) for weight in weights}
    for layer in model.modules():
        held = layer.parameters() if isinstance(layer, nn.MultiheadAttention) else layer.parameters(recurse=False)
        is_known = is_linear(layer) or isinstance(layer, (_ConvNd, nn.MultiheadAttention))
        if is_known and any(id(one) in wanted for one in held):
            yield layer


def sums_of_inputs(layer: nn.Module, arguments: Any, of: Of) -> Iterator[tuple[Tensor, Tensor]]:
    """Each weight of a layer, and at each of its numbers the sum of `of` over all that it is now multiplied with."""
    sums = _of_attention if isinstance(layer, nn.MultiheadAttention) else _of_layer
    return sums(layer, arguments, of)  # type: ignore[arg-type]


def _sizes(values: Tensor) -> Tensor:
    """Absolute values in the type of sums."""
    return values.abs().to(sum_type(values.device))


def _of_layer(layer: Layer, arguments: Arguments, of: Of) -> Iterator[tuple[Tensor, Tensor]]:
    args, kwargs = arguments
    values = of(_sizes(args[0] if args else next(iter(kwargs.values()))))
    if isinstance(layer, _ConvNd):
        yield layer.weight, _summed(layer, values)
    else:
        yield layer.weight, by_outputs(layer, _along_rows(values, len(by_outputs(layer, layer.weight))))


def _of_attention(layer: nn.MultiheadAttention, arguments: Arguments, of: Of) -> Iterator[tuple[Tensor, Tensor]]:
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
    yield layer.out_proj.weight, _along_rows(of(_sizes(heads)), width)
    parts = [_along_rows(of(_sizes(given[name])), width) for name in ("query", "key", "value")]
    if layer.in_proj_weight is not None:
        yield layer.in_proj_weight, torch.cat(parts)
    else:
        yield from zip((layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight), parts, strict=True)


def _along_rows(values: Tensor, rows: int) -> Tensor:
    """(..., d) -> (rows, d): all that each row of a linear layer's weight is multiplied with, summed up."""
    return values.reshape(-1, values.shape[-1]).sum(0).expand(rows, -1)


@torch.enable_grad()
def _summed(layer: _ConvNd, values: Tensor) -> Tensor:
    """The gradient of sum(layer(x)) by a weight is the sum of all x that it is multiplied with."""
    batch = values if values.dim() > 1 + len(layer.kernel_size) else values.unsqueeze(0)
    plain = copy.copy(layer)
    plain._forward_pre_hooks = OrderedDict()
    weight = torch.zeros_like(layer.weight, dtype=values.dtype, requires_grad=True)
    instead = {"weight": weight}
    if layer.bias is not None:
        instead["bias"] = torch.zeros_like(layer.bias, dtype=values.dtype)
    output = torch.func.functional_call(plain, instead, (batch.sum(0, keepdim=True),))
    return torch.autograd.grad(output.sum(), weight)[0]
