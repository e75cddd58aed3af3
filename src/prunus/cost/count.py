"""From a recorded run to a network's cost."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from prunus.cost import formulas
from prunus.cost.network_cost import LayerCost, NetworkCost
from prunus.cost.recorder import Call
from prunus.cost.run import Inputs, record
from prunus.cost.weights import WeightCount, WeightCounter, layer_name
from prunus.errors import InputError


@dataclass(frozen=True)
class _Use:
    """A call with its weight counted and its kind settled: a product with a weight is a linear layer's."""

    call: Call
    kind: str
    weight: WeightCount | None


def count_cost(
    model: nn.Module, example_inputs: Inputs, *, weight_bits: int = 32, activation_bits: int = 32
) -> NetworkCost:
    """Count what a model costs for one input, by running it once; shapes suffice, so it is cheap for big models.

    example_inputs: a batch of any length (dimension 0) of what the model takes: a tensor, several, or by keyword.
    The model stays as it was. Raises `InputError` where it cannot be run on them.

    >>> cost = count_cost(nn.Conv2d(2, 4, 3, bias=False), torch.zeros(1, 2, 7, 7))
    >>> cost.dense_macs, cost.layers[0].kind
    (1800, 'conv2d')
    """
    if min(weight_bits, activation_bits) < 1:
        raise InputError(f"BOPs cannot be counted with {weight_bits} and {activation_bits} bits", "both are at least 1")
    recorder = record(model, example_inputs)
    with torch.no_grad():
        uses = _uses(recorder.calls)
    parameters = dict(model.named_parameters())
    layers: dict[tuple[str, str], list[_Use]] = {}
    for use in uses:
        layers.setdefault((layer_name(use.call), use.kind), []).append(use)
    prunable = {use.weight.key: use.weight for use in uses if use.weight and _is_prunable(use)}
    return NetworkCost(
        layers=tuple(_layer(*place, calls, weight_bits, activation_bits) for place, calls in layers.items()),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        nonzero_parameters=_nonzero_parameters(parameters, uses),
        prunable_weights=sum(weight.weights for weight in prunable.values()),
        nonzero_weights=sum(weight.nonzero for weight in prunable.values()),
        not_counted=dict(recorder.not_counted),
        weight_bits=weight_bits,
        activation_bits=activation_bits,
    )


def _uses(calls: list[Call]) -> list[_Use]:
    counter = WeightCounter()
    uses = []
    for call in calls:
        weight = counter.count(call.weight, call.origin) if call.weight and call.origin else None
        kind = "linear" if weight and call.product.kind == "matmul" else call.product.kind
        uses.append(_Use(call, kind, weight))
    return uses


def _is_prunable(use: _Use) -> bool:
    """Weights of convolutions and linear layers that are parameters, not fixed filters."""
    is_parameter = use.call.origin is not None and use.call.origin.is_parameter
    return is_parameter and (use.kind == "linear" or use.kind.startswith("conv"))


def _layer(layer: str, kind: str, uses: list[_Use], weight_bits: int, activation_bits: int) -> LayerCost:
    """Sum up a layer's calls; its weights count once, its MACs as often as they are computed."""
    weights = {use.weight.key: use.weight for use in uses if use.weight}.values()
    factor_bits = [weight_bits if use.weight else activation_bits for use in uses]
    products = [use.call.product for use in uses]
    dense = [product.macs for product in products]
    effective = [_effective_macs(use) for use in uses]

    def bops(macs: list[int]) -> int:
        return sum(formulas.bops(n, bits, activation_bits) for n, bits in zip(macs, factor_bits, strict=True))

    def uniq_bops(macs: list[int]) -> int:
        return sum(
            formulas.uniq_bops(n, bits, activation_bits, product.fan_in)
            for n, bits, product in zip(macs, factor_bits, products, strict=True)
        )

    return LayerCost(
        layer=layer,
        kind=kind,
        weights=sum(weight.weights for weight in weights),
        nonzero_weights=sum(weight.nonzero for weight in weights),
        units=sum(weight.units for weight in weights),
        empty_units=sum(weight.empty_units for weight in weights),
        dense_macs=sum(dense),
        effective_macs=sum(effective),
        dense_bops=bops(dense),
        effective_bops=bops(effective),
        dense_uniq_bops=uniq_bops(dense),
        effective_uniq_bops=uniq_bops(effective),
    )


def _effective_macs(use: _Use) -> int:
    macs = use.call.product.macs
    return formulas.effective_macs(macs, use.weight.nonzero, use.weight.weights) if use.weight else macs


def _nonzero_parameters(parameters: dict[str, nn.Parameter], uses: list[_Use]) -> int:
    """Non-zero elements of all parameters; of those that a mask or such stands over, as the network used them."""
    used = {
        name: use.weight
        for use in uses
        if use.weight and use.call.origin and use.call.origin.is_parameter
        for name in use.call.origin.names
    }
    return sum(
        used[name].nonzero
        if name in used and used[name].weights == parameter.numel()
        else int(torch.count_nonzero(parameter))
        for name, parameter in parameters.items()
    )
