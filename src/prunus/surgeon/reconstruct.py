"""`prunus.reconstruct`: for those who have a trained network, a few inputs, and no training script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.graph.copying import fresh_copy
from prunus.prune import ALLOCATIONS, PATTERNS, UnitSet, protected_layers, prunable_layers
from prunus.spec import Part, make
from prunus.surgeon.hessians import Layer, hessians
from prunus.surgeon.least_change import change, damped, reconstructed, solved
from prunus.surgery import recalibrate

PATTERNS_OF_ELEMENTS = ("element", "nm")


@dataclass(frozen=True)
class LayerError:
    """How much a layer's outputs change on the calibration inputs, as a share of their mean square.

    gone: weights that are zero. error: after reconstruction. magnitude_error: of as many smallest weights set to zero.
    """

    layer: str
    weights: int
    gone: int
    error: float
    magnitude_error: float


@dataclass(frozen=True)
class Reconstructed:
    """A pruned network, in the mode of the one given, and what became of its layers."""

    model: nn.Module
    layers: tuple[LayerError, ...]


def reconstruct(
    model: nn.Module,
    inputs: Iterable[Any],
    rate: float,
    *,
    pattern: str | Part = "element",
    allocation: str | Part = "uniform",
    protect: Sequence[str] = ("output",),
    steps: int = 4,
) -> Reconstructed:
    """Prune linear and convolution layers, and let what remains of each make up for what goes; without any training.

    inputs: a few hundred, in batches as the network takes them: a tensor, a tuple or a dictionary each. rate: the share
    of each layer's weights that goes, 0 <= rate < 1. pattern: `element` or `nm`. protect: layers by name or shell
    pattern. steps: rounds in which a layer's weights go. Batch normalisation is recalibrated on the same inputs
    afterwards. The model passed in is untouched.

    Never worse than magnitude on a layer's output. Raises `InputError` for what cannot be done, before anything is.
    """
    if not 0 <= rate < 1:
        raise InputError(f"The rate {rate} cannot be used", "it is the share that goes", "give 0 <= rate < 1")
    batches = list(inputs)
    if not batches:
        raise InputError("There are no inputs to reconstruct layers on", "", "give at least one batch")
    twin = fresh_copy(model).eval()
    sets = _unit_sets(twin, batches[0], _part(pattern), rate, protect)
    modules = [_layer(twin, one) for one in sets]
    scores = [arrange(twin.get_parameter(name).detach()).abs()[:, 0] for one in sets for name, arrange in _weight(one)]
    counts = make(ALLOCATIONS, _part(allocation)).counts(sets, scores, rate)
    found = hessians(twin, modules, batches)
    rows = [_reconstruct_layer(*each, steps) for each in zip(sets, modules, found, counts, strict=True)]
    recalibrate(twin, batches)
    for ours, theirs in zip(twin.modules(), model.modules(), strict=True):
        ours.training = theirs.training
    return Reconstructed(twin, tuple(rows))


@torch.no_grad()
def _reconstruct_layer(one: UnitSet, layer: Layer, hessian: Tensor, count: int, steps: int) -> LayerError:
    """Write the layer's new weight; of the surgeon's and magnitude's choice, each solved for, the better."""
    shape = layer.weight.shape
    groups = hessian.shape[0]
    before = layer.weight.double().reshape(groups, shape[0] // groups, -1)
    ((name, arrange),) = _weight(one)
    spread = one.masked[name]

    def choose(saliency: Tensor, number: int) -> Tensor:
        scores = arrange(saliency.reshape(shape))[:, 0]
        return ~spread(~one.lowest(scores, number)).reshape(before.shape)

    smallest = choose(before.abs(), count)
    plain = before.masked_fill(smallest, 0)
    after = reconstructed(before, hessian, count, choose, steps)
    if change(hessian, before, after) > (worst := change(hessian, before, plain)):
        after = solved(before, damped(hessian), smallest, plain, iterations=1)
        after = min((after, plain), key=partial(change, hessian, before))
    layer.weight.copy_(after.reshape(shape))
    size = max(change(hessian, before, torch.zeros_like(before)), torch.finfo(torch.float64).tiny)
    gone = int((after == 0).sum())
    return LayerError(one.name, before.numel(), gone, change(hessian, before, after) / size, worst / size)


def _unit_sets(
    model: nn.Module, example: Any, pattern: Part, rate: float, protect: Sequence[str]
) -> tuple[UnitSet, ...]:
    if pattern.name not in PATTERNS_OF_ELEMENTS:
        raise InputError(
            f"Layers cannot be reconstructed by the pattern '{pattern.name}'",
            "single weights are removed and made up for",
            "use 'element' or 'nm'; for channels, prunus.prune_channels",
        )
    made = make(PATTERNS, pattern)
    made.check_rate(rate)
    layers = prunable_layers(model, example)
    return made.unit_sets(model, example, layers, protected_layers(layers, protect))


def _layer(model: nn.Module, one: UnitSet) -> Layer:
    layer = model.get_submodule(one.name)
    if not isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
        raise InputError(
            f"The layer {one.name!r} cannot be reconstructed",
            f"it is a {type(layer).__name__}, and linear layers and convolutions of one or two dimensions can",
            f"protect it (protect = ['output', {one.name!r}])",
        )
    return layer


def _weight(one: UnitSet) -> list[tuple[str, Any]]:
    return list(one.scored.items())


def _part(name: str | Part) -> Part:
    return name if isinstance(name, Part) else Part(name=name)
