"""Rates and bits for a share of the bit operations: what each layer's choices cost in output error, and the best mix.

Source: Frantar & Alistarh, "Optimal brain compression", 2022, arXiv:2208.11580 (every layer is compressed in many ways,
and a dynamic program mixes them), and "SPDY", 2022, arXiv:2201.13096.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from prunus.cost import count_cost
from prunus.errors import InputError
from prunus.prune import PrunableLayer, UnitSet
from prunus.prune.evidence.samples import call
from prunus.prune.knapsack import choose
from prunus.quantization import Grid, Precisions, attach, calibrate, detach, quantized_layers
from prunus.quantization.calibration import passing
from prunus.quantization.layers import LayerPrecision
from prunus.quantization.ranges import scale_of_weights
from prunus.reconstruct.layer import layer_of
from prunus.reconstruct.least_change import Layer, change, damped, hessians, removal_path, whole_units
from prunus.reconstruct.rounding import rounded
from prunus.spec import Bits
from prunus.spec.bits import OFF
from prunus.trace.inventory import by_outputs

RATES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Shares of a layer's weights that may go, besides none."""
SWEEPS = 1
"""How often every weight is looked at once more in the table; what is chosen is rounded with more."""


@dataclass(frozen=True)
class Choice:
    """What may become of a layer.

    count: units that go. precision: bits of a weight and of its input. loss: what that does to the network's outputs,
    estimated. bops: for one input.
    """

    count: int
    precision: LayerPrecision
    loss: float
    bops: float


@dataclass(frozen=True)
class Chosen:
    """What is to become of a network. counts: layer -> units that go. precisions: layer -> its bits, where not 32."""

    counts: Mapping[str, int]
    precisions: Mapping[str, LayerPrecision]
    left: Mapping[str, str]


@dataclass(frozen=True)
class _Offer:
    """What is offered to a layer. units: where some may go. macs: for one input."""

    name: str
    layer: Layer
    units: UnitSet | None
    precisions: tuple[LayerPrecision, ...]
    macs: float


def choose_rates_and_bits(
    model: nn.Module,
    batches: Sequence[Any],
    layers: Sequence[PrunableLayer],
    sets: Sequence[UnitSet],
    rates: Sequence[float],
    offered: Sequence[Precisions],
    bits: Bits,
    share: float,
) -> Chosen:
    """The rates and bits of least estimated loss at which a share of the bit operations is left at most.

    A layer's loss is the change of its outputs, by the weights that go, by rounding what stays, and by rounding its
    input, times what such a change does to the network's outputs. Losses of layers are summed.

    Args:
        model: the network, in evaluation mode; it is as it was afterwards.
        batches: inputs.
        layers: its convolution and linear layers in the order in which they run.
        sets: units of the layers that may lose weights.
        rates: of units, that may be had of each of these layers.
        offered: each layer gets its bits of one of these.
        bits: how ranges are found.
        share: of the network's bit operations at 32 bits.

    Raises:
        InputError: a layer cannot be reconstructed, or the share cannot be had.
    """
    cost = count_cost(model, batches[0])
    macs = {layer.layer: float(layer.dense_macs) for layer in cost.layers}
    offers = list(_offers(model, layers, sets, [one.quantized for one in offered], macs))
    table = _table(model, batches, offers, rates, bits)
    rest = float(cost.dense_bops) - sum(one.macs for one in offers) * OFF * OFF
    places = choose(
        [[one.loss for one in own] for own in table],
        [[one.bops for one in own] for own in table],
        share * cost.dense_bops - rest,
    )
    if places is None:
        least = (rest + sum(min(one.bops for one in own) for own in table)) / cost.dense_bops
        raise InputError(
            f"The target bops = {share:g} cannot be reached",
            f"the fewest that these rates and bits leave is {least:.4g} of the network's bit operations at 32 bits",
            f"ask for bops = {math.ceil(least * 1e4) / 1e4:g}, offer fewer bits, or protect less",
        )
    chosen = {one.name: own[place] for one, own, place in zip(offers, table, places, strict=True)}
    return Chosen(
        {name: one.count for name, one in chosen.items()},
        {name: one.precision for name, one in chosen.items() if one.precision != (OFF, OFF)},
        {name: why for one in offered for name, why in one.left.items()},
    )


def _offers(
    model: nn.Module,
    layers: Sequence[PrunableLayer],
    sets: Sequence[UnitSet],
    precisions: Sequence[Mapping[str, LayerPrecision]],
    macs: Mapping[str, float],
) -> Iterator[_Offer]:
    """The layers that have a choice of rates or bits, or fewer bits than 32."""
    units = {one.name: one for one in sets}
    for layer in layers:
        own = tuple(dict.fromkeys(one.get(layer.name, (OFF, OFF)) for one in precisions))
        if layer.name in units or own != ((OFF, OFF),):
            yield _Offer(layer.name, layer_of(model, layer.name), units.get(layer.name), own, macs.get(layer.name, 0.0))


def _table(
    model: nn.Module, batches: Sequence[Any], offers: Sequence[_Offer], rates: Sequence[float], bits: Bits
) -> list[list[Choice]]:
    """Every layer's choices."""
    noises = {width: _noises(model, batches, offers, width, bits) for width in _widths(offers)}
    with torch.no_grad():
        expected = _outputs(model, batches[0])
    table = []
    for one, hessian in zip(offers, hessians(model, [one.layer for one in offers], batches), strict=True):
        weight = _matrix(one.layer, hessian)
        weights = list(_path(one, weight, hessian, rates))
        harm = _harm(model, batches[0], expected, one, hessian, weights, bits)
        own = {width: noise[one.name] for width, noise in noises.items() if one.name in noise}
        errors = {width: change(noise, weight, torch.zeros_like(weight)) for width, noise in own.items()}
        table.append(list(_choices(one, weight, hessian, weights, harm, errors, bits)))
    return table


def _choices(
    one: _Offer,
    before: Tensor,
    hessian: Tensor,
    weights: Sequence[tuple[int, Tensor]],
    harm: float,
    errors: Mapping[int, float],
    bits: Bits,
) -> Iterator[Choice]:
    """errors: bits of the input -> the change of the outputs by rounding it."""
    for count, weight in weights:
        kept = float((weight != 0).double().mean())
        by_bits = {
            width: change(hessian, before, _rounded(before, weight, hessian, width, bits))
            for width in {width for width, _ in one.precisions}
        }
        for width, inputs in one.precisions:
            loss = harm * (by_bits[width] + errors.get(inputs, 0.0))
            yield Choice(count, (width, inputs), loss, one.macs * kept * width * inputs)


def _rounded(before: Tensor, weight: Tensor, hessian: Tensor, width: int, bits: Bits) -> Tensor:
    if width == OFF:
        return weight
    grid = Grid.of_weights(width)
    scale = scale_of_weights(weight.flatten(0, 1).float(), bits, grid).to(weight).reshape(weight.shape[:2])
    return rounded(before, weight, damped(hessian), weight == 0, scale, grid, sweeps=SWEEPS)


def _path(one: _Offer, weight: Tensor, hessian: Tensor, rates: Sequence[float]) -> Iterator[tuple[int, Tensor]]:
    """Units that go, rising, and the weight without them."""
    yield 0, weight
    if one.units is None:
        return
    shape = by_outputs(one.layer, one.layer.weight).shape
    units = one.units
    counts = sorted({units.rounded(round(rate * units.units)) for rate in rates} - {0})
    if counts:
        choice = whole_units(units, shape, partial(by_outputs, one.layer))
        yield from zip(counts, removal_path(weight, hessian, counts, choice), strict=True)


def _harm(
    model: nn.Module,
    batch: Any,
    expected: Tensor,
    one: _Offer,
    hessian: Tensor,
    weights: Sequence[tuple[int, Tensor]],
    bits: Bits,
) -> float:
    """What a change of the layer's outputs does to those of the network: squares of both, by one example of it."""
    before, example = weights[0][1], weights[len(weights) // 2][1]
    if len(weights) == 1:
        example = _rounded(before, before, hessian, min(width for width, _ in one.precisions), bits)
    error = change(hessian, before, example)
    if error <= 0:
        return 0.0
    weight = by_outputs(one.layer, one.layer.weight)
    with torch.no_grad():
        held = weight.clone()
        weight.copy_(example.reshape(weight.shape))
        found = _outputs(model, batch)
        weight.copy_(held)
    return float((found - expected).square().sum()) / error


def _outputs(model: nn.Module, batch: Any) -> Tensor:
    """All of the network's outputs in one row."""
    found = [leaf for leaf in tree_leaves(call(model, batch)) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return torch.cat([leaf.double().flatten() for leaf in found])


def _matrix(layer: Layer, hessian: Tensor) -> Tensor:
    weight = by_outputs(layer, layer.weight).detach().double()
    return weight.reshape(len(hessian), len(weight) // len(hessian), -1)


def _widths(offers: Sequence[_Offer]) -> list[int]:
    """Bits of inputs that are offered."""
    return sorted({inputs for one in offers for _, inputs in one.precisions} - {OFF})


def _noises(
    model: nn.Module, batches: Sequence[Any], offers: Sequence[_Offer], width: int, bits: Bits
) -> dict[str, Tensor]:
    """Layer -> the mean of n nᵀ, n being what rounding to so many bits adds to its input."""
    names = [one.name for one in offers if width in {inputs for _, inputs in one.precisions}]
    attach(model, dict.fromkeys(names, (OFF, width)), learned=False)
    try:
        calibrate(model, batches, bits)
        layers = quantized_layers(model)
        with passing(layers.values(), "all"):
            found = hessians(model, [layer_of(model, name) for name in names], batches, seen=_noise)
    finally:
        detach(model)
    return dict(zip(names, found, strict=True))


def _noise(layer: Any, inputs: Tensor) -> Tensor:
    found: Tensor = layer.input_quantizer.error(inputs)
    return found
