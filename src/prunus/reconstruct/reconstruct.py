"""`prunus.reconstruct`: for those who have a trained network, a few inputs, and no training script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels import recalibrate
from prunus.channels.cost_model import cost_model_of
from prunus.channels.cost_target import check_reached, find_counts
from prunus.errors import InputError
from prunus.prune import ALLOCATIONS, PATTERNS, UnitSet, protected_layers, prunable_layers
from prunus.prune.allocations import Allocation
from prunus.reconstruct.least_change import Layer, change, damped, hessians, reconstructed, solved
from prunus.spec import Part, make, part_of
from prunus.trace.copying import fresh_copy
from prunus.trace.inventory import by_outputs, is_linear

PATTERNS_OF_ELEMENTS = ("element", "nm")


@dataclass(frozen=True)
class LayerError:
    """How much a layer's outputs change on the calibration inputs, as a share of their mean square.

    Attributes:
        layer: its name.
        weights: elements of its weight.
        gone: those that are zero.
        error: after reconstruction.
        magnitude_error: of as many smallest weights set to zero.
    """

    layer: str
    weights: int
    gone: int
    error: float
    magnitude_error: float


@dataclass(frozen=True)
class Reconstructed:
    """What `reconstruct` returns.

    Attributes:
        model: the pruned network, in the mode of the one given.
        layers: what became of each pruned layer.
    """

    model: nn.Module
    layers: tuple[LayerError, ...]


def reconstruct(
    model: nn.Module,
    inputs: Iterable[Any],
    rate: float | None = None,
    *,
    pattern: str | Part | Mapping[str, Any] = "element",
    allocation: str | Part | Mapping[str, Any] = "uniform",
    protect: Sequence[str] = ("output",),
    steps: int = 4,
) -> Reconstructed:
    """Prune linear and convolution layers without training: the weights that stay make up for those that go.

    On a layer's outputs it is never worse than magnitude. Batch normalisation is recalibrated on the same inputs
    afterwards. Optimal brain surgeon: Hassibi & Stork, 1993; layer by layer: Frantar & Alistarh, 2022 and 2023.

    Args:
        model: the trained network; it is untouched.
        inputs: a few hundred, in batches as the network takes them: a tensor, a tuple or a dictionary each.
        rate: the share of the weights that goes, 0 <= rate < 1; None where the allocation has a target.
        pattern: `element` or `nm`, by name, as a part or as a table with settings.
        allocation: by name, as a part or as a table with settings; a target such as `{"name": "uniform", "macs": 0.25}`
            takes the place of the rate.
        protect: layers that stay dense, by name or shell pattern.
        steps: rounds in which a layer's weights go; what stays is solved for after each.

    Returns:
        The pruned `model`, in the mode of the one given, and for each of its `layers` the error beside magnitude's.

    Raises:
        InputError: the parts do not go together, a layer cannot be reconstructed, or the rate or target cannot be had.
            Nothing was done then.

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> found = reconstruct(model, [torch.randn(64, 8)], 0.5)
        >>> (layer,) = found.layers  # the output layer is protected
        >>> layer.layer, layer.gone, layer.error <= layer.magnitude_error
        ('0', 64, True)
    """
    batches, shared = _checked(model, inputs), make(ALLOCATIONS, part_of(allocation))
    rate = _checked_rate(rate, shared)
    clone = fresh_copy(model).eval()
    sets = _unit_sets(clone, batches[0], part_of(pattern), rate, shared, protect)
    modules = [_layer(clone, one) for one in sets]
    scores = [arrange(clone.get_parameter(name).detach()).abs()[:, 0] for one in sets for name, arrange in _weight(one)]
    counts = (
        shared.counts(sets, scores, rate) if rate is not None else _by_target(clone, batches[0], shared, sets, scores)
    )
    found = hessians(clone, modules, batches)
    rows = [_reconstruct_layer(*each, steps) for each in zip(sets, modules, found, counts, strict=True)]
    recalibrate(clone, batches)
    for ours, theirs in zip(clone.modules(), model.modules(), strict=True):
        ours.training = theirs.training
    return Reconstructed(clone, tuple(rows))


def _checked(model: Any, inputs: Any) -> list[Any]:
    """The batches. Raises `InputError` for what is no network, or no batches."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"An object of type {type(model).__name__} is no network", "it is no torch.nn.Module", "give a module"
        )
    if isinstance(inputs, Tensor) or not isinstance(inputs, Iterable):
        raise InputError(
            f"The inputs are no batches, but of type {type(inputs).__name__}",
            "they are looked at batch by batch",
            "give a list of batches, [inputs] if it is one, or a loader",
        )
    batches = list(inputs)
    if not batches:
        raise InputError("There are no inputs to reconstruct layers on", "", "give at least one batch")
    return batches


def _checked_rate(rate: Any, shared: Allocation) -> float | None:
    """The rate; None where a target decides. Raises `InputError` for both or neither, or what cannot be had here."""
    if shared.latency_ms is not None or shared.rate_of != "units":
        raise InputError(
            f"Layers cannot be reconstructed to {'a latency' if shared.latency_ms else f'a share of {shared.rate_of}'}",
            "rates of weights and shares of params, macs or bops can be asked for",
            "give a rate, or a target such as macs = 0.25 among the allocation's settings",
        )
    if (rate is None) == (shared.counted is None):
        raise InputError(
            "Nothing says how much is to go" if rate is None else "Both a rate and a target say how much is to go",
            "either a share of the weights or a cost can be asked for",
            "give a rate, or an allocation with a target, such as macs = 0.25",
        )
    if rate is not None and (not isinstance(rate, Real) or not 0 <= float(rate) < 1):
        raise InputError(f"The rate {rate!r} cannot be used", "it is the share that goes", "give 0 <= rate < 1")
    return None if rate is None else float(rate)


def _by_target(
    model: nn.Module, example: Any, shared: Allocation, sets: Sequence[UnitSet], scores: Sequence[Tensor]
) -> list[int]:
    """How many weights of each layer go to leave the share of the cost that is asked for."""
    prices, left = cost_model_of(model, example, shared.counted or "params"), shared.left(0)
    counts = find_counts(prices, shared, sets, scores, left)
    check_reached(prices, sets, scores, counts, left)
    return counts


@torch.no_grad()
def _reconstruct_layer(one: UnitSet, layer: Layer, hessian: Tensor, count: int, steps: int) -> LayerError:
    """Write the layer's new weight; of the surgeon's and magnitude's choice, each solved for, the better."""
    weight = by_outputs(layer, layer.weight)
    shape = weight.shape
    groups = hessian.shape[0]
    before = weight.double().reshape(groups, shape[0] // groups, -1)
    ((name, arrange),) = _weight(one)
    spread = one.masked[name]

    def choose(saliency: Tensor, number: int) -> Tensor:
        scores = arrange(by_outputs(layer, saliency.reshape(shape)))[:, 0]
        return ~by_outputs(layer, spread(~one.lowest(scores, number))).reshape(before.shape)

    smallest = choose(before.abs(), count)
    plain = before.masked_fill(smallest, 0)
    stored = partial(_stored, kind=layer.weight.dtype)
    after = stored(reconstructed(before, hessian, count, choose, steps))
    if change(hessian, before, after) > (worst := change(hessian, before, plain)):
        after = stored(solved(before, damped(hessian), smallest, plain, iterations=1))
        after = min((after, plain), key=partial(change, hessian, before))
    weight.copy_(after.reshape(shape))
    size = max(change(hessian, before, torch.zeros_like(before)), torch.finfo(torch.float64).tiny)
    gone = int((after == 0).sum())
    return LayerError(one.name, before.numel(), gone, change(hessian, before, after) / size, worst / size)


def _stored(weight: Tensor, kind: torch.dtype) -> Tensor:
    """The weight as the layer will hold it: half precision rounds, and what was solved for then fits less well."""
    return weight.to(kind).to(weight.dtype)


def _unit_sets(
    model: nn.Module, example: Any, pattern: Part, rate: float | None, shared: Allocation, protect: Sequence[str]
) -> tuple[UnitSet, ...]:
    if pattern.name not in PATTERNS_OF_ELEMENTS:
        raise InputError(
            f"Layers cannot be reconstructed by the pattern '{pattern.name}'",
            "single weights are removed and made up for",
            "use 'element' or 'nm'; for channels, prunus.prune_channels",
        )
    made = make(PATTERNS, pattern)
    made.check_even(even=shared.even)
    if rate is not None:
        made.check_rate(rate)
    layers = [layer for layer in prunable_layers(model, example) if not layer.attention]
    sets = made.unit_sets(model, example, layers, protected_layers(layers, protect))
    shared.check(sets)
    return sets


def _layer(model: nn.Module, one: UnitSet) -> Layer:
    layer = model.get_submodule(one.name)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)) or is_linear(layer):
        return layer
    raise InputError(
        f"The layer {one.name!r} cannot be reconstructed",
        f"it is of type {type(layer).__name__}, and linear layers and convolutions of one or two dimensions can",
        f"protect it (protect = ['output', {one.name!r}])",
    )


def _weight(one: UnitSet) -> list[tuple[str, Any]]:
    return list(one.scored.items())
