"""From a recorded run to a network's cost: MACs of its calls, and zeros in the weights that it used."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from prunus.cost import network_cost
from prunus.cost.counted import Factor
from prunus.cost.network_cost import LayerCost, NetworkCost
from prunus.cost.recorder import Call, CallRecorder, Origin
from prunus.cost.run import Inputs, record, record_all, record_one
from prunus.errors import InputError, PrunusError

_ONLY_WEIGHT = re.compile(r"(^|\.)(weight|weight_orig|weight_[gv]|parametrizations\.weight\.original\d*)$")
"""A module's one weight, plain or reparametrised by torch's means: the layer goes by the module's name alone."""


@dataclass(frozen=True)
class WeightCount:
    """A weight as an operation used it; equal `key`, same weight."""

    key: tuple[object, ...]
    weights: int
    nonzero: int
    units: int
    empty_units: int


class WeightCounter:
    """Counts each weight once, however often it is used."""

    def __init__(self) -> None:
        self._counted: dict[tuple[object, ...], tuple[Tensor, WeightCount]] = {}

    def count(self, factor: Factor, origin: Origin) -> WeightCount:
        """Elements, non-zero ones, output rows and empty ones, of a factor that was made from a model's constant."""
        tensor = factor.tensor
        key = (origin, tensor.shape, tensor.stride(), tensor.storage_offset(), factor.summed)
        place = (*key, tensor.data_ptr(), tensor._version)
        if place not in self._counted:  # keeps the tensor, so that its place in memory stays its own
            self._counted[place] = (tensor, _count(factor, key))
        return self._counted[place][1]


def _count(factor: Factor, key: tuple[object, ...]) -> WeightCount:
    tensor = _unexpanded(factor)
    nonzero = int(tensor.count_nonzero())
    units = math.prod(size for dim, size in enumerate(tensor.shape) if dim not in factor.summed)
    empty = 0
    if nonzero < tensor.numel():
        empty = units - int((tensor != 0).any(dim=factor.summed).count_nonzero())
    return WeightCount(key, tensor.numel(), nonzero, units, empty)


def _unexpanded(factor: Factor) -> Tensor:
    """The elements that are in memory: a dimension of stride 0 repeats them."""
    tensor = factor.arranged
    for dimension, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[dimension] > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


def layer_name(call: Call) -> str:
    """The name that a user knows a call's layer by: the module's where it has one weight, else the parameter's.

    A weight that goes by several names (tied layers) is named after the module that is running.
    """
    if call.origin is None:
        return call.module
    prefix = f"{call.module}." if call.module else ""
    names = call.origin.names
    name = next((name for name in names if name.rpartition(".")[0] == call.module), None)
    name = name or next((name for name in names if name.startswith(prefix)), names[0])
    return _ONLY_WEIGHT.sub("", name) or name


@dataclass(frozen=True)
class _Use:
    """A call with its weight counted and its kind settled: a product with a weight is a linear layer's."""

    call: Call
    kind: str
    weight: WeightCount | None


def count_cost(
    model: nn.Module,
    example_inputs: Inputs,
    *,
    weight_bits: int = 32,
    activation_bits: int = 32,
    bits: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> NetworkCost:
    """Count what a model costs for one input, by running it once; shapes suffice, so it is cheap for big models.

    Args:
        model: the network; it stays as it was.
        example_inputs: a batch of any length (dimension 0) of what the model takes: a tensor, several, or by keyword.
        weight_bits: bits of a weight, for BOPs.
        activation_bits: bits of an activation, for BOPs.
        bits: layer -> bits of its weight and of its input, where they are others.

    Returns:
        MACs, BOPs and weights by layer and in all, for one input. Operations that the counter does not know are listed.

    Raises:
        InputError: the model cannot be run on the inputs.

    Example:
        >>> cost = count_cost(nn.Conv2d(2, 4, 3, bias=False), torch.zeros(1, 2, 7, 7))
        >>> cost.dense_macs, cost.layers[0].kind
        (1800, 'conv2d')
    """
    return _counted(model, record(model, example_inputs), (weight_bits, activation_bits), bits)


def count_costs(
    models: Sequence[nn.Module], example_inputs: Inputs, *, weight_bits: int = 32, activation_bits: int = 32
) -> tuple[NetworkCost, ...]:
    """What networks cost that are to be compared: all for one input if each of them takes one, else all for the batch.

    Otherwise as `count_cost`.
    """
    try:
        recorders = [record_one(model, example_inputs) for model in models]
    except PrunusError:
        recorders = [record_all(model, example_inputs) for model in models]
    found = zip(models, recorders, strict=True)
    return tuple(_counted(model, recorder, (weight_bits, activation_bits)) for model, recorder in found)


def _counted(
    model: nn.Module,
    recorder: CallRecorder,
    usual: tuple[int, int],
    bits: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> NetworkCost:
    """The cost. usual: bits of a weight and an activation. bits: of layers that have others."""
    for weights, activations in (usual, *bits.values()):
        if min(weights, activations) < 1:
            raise InputError(f"BOPs cannot be counted with {weights} and {activations} bits", "both are at least 1")
    with torch.no_grad():
        uses = _uses(recorder.calls)
    parameters = dict(model.named_parameters())
    layers: dict[tuple[str, str], list[_Use]] = {}
    for use in uses:
        layers.setdefault((layer_name(use.call), use.kind), []).append(use)
    prunable = {use.weight.key: use.weight for use in uses if use.weight and _is_prunable(use)}
    return NetworkCost(
        layers=tuple(_layer(*place, calls, *bits.get(place[0], usual)) for place, calls in layers.items()),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        nonzero_parameters=_nonzero_parameters(parameters, uses),
        prunable_weights=sum(weight.weights for weight in prunable.values()),
        nonzero_weights=sum(weight.nonzero for weight in prunable.values()),
        not_counted=dict(recorder.not_counted),
        weight_bits=usual[0],
        activation_bits=usual[1],
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
        return sum(network_cost.bops(n, bits, activation_bits) for n, bits in zip(macs, factor_bits, strict=True))

    def uniq_bops(macs: list[int]) -> int:
        return sum(
            network_cost.uniq_bops(n, bits, activation_bits, product.fan_in)
            for n, bits, product in zip(macs, factor_bits, products, strict=True)
        )

    return LayerCost(
        layer=layer,
        kind=kind,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
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
    return network_cost.effective_macs(macs, use.weight.nonzero, use.weight.weights) if use.weight else macs


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
