"""`prunus.reconstruct`: for those who have a trained network, a few inputs, and no training script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from torch import Tensor, nn

from prunus.channels import recalibrate
from prunus.channels.cost_model import cost_model_of
from prunus.channels.cost_target import check_reached, find_counts
from prunus.errors import InputError
from prunus.prune import ALLOCATIONS, PATTERNS, UnitSet, protected_layers, prunable_layers
from prunus.prune.allocations import Allocation
from prunus.prune.patterns.pattern import LayerPattern
from prunus.quantization import Precisions, attached, calibrate, quantized_layers
from prunus.reconstruct.layer import LayerError, LayerTask, layer_of, reconstruct_layer
from prunus.reconstruct.least_change import hessians
from prunus.spec import Bits, Part, bits_of, make, part_of
from prunus.spec.bits import OFF
from prunus.trace.copying import fresh_copy

OFF_BITS = Bits(weights=OFF, activations=OFF)


@dataclass(frozen=True)
class Reconstructed:
    """What `reconstruct` returns.

    Attributes:
        model: the new network, in the mode of the one given.
        layers: what became of each layer that was pruned or rounded.
        left: layer -> why it keeps its 32 bits though it was asked for fewer.
    """

    model: nn.Module
    layers: tuple[LayerError, ...]
    left: Mapping[str, str] = field(default_factory=dict)


def reconstruct(
    model: nn.Module,
    inputs: Iterable[Any],
    rate: float | None = None,
    *,
    pattern: str | Part | Mapping[str, Any] = "element",
    allocation: str | Part | Mapping[str, Any] = "uniform",
    protect: Sequence[str] = ("output",),
    steps: int = 4,
    bits: Bits | Mapping[str, Any] | None = None,
) -> Reconstructed:
    """Prune and quantise linear and convolution layers without training: the other weights make up for what is lost.

    On a layer's outputs it is never worse than magnitude, and than rounding to nearest. Batch normalisation is
    recalibrated on the same inputs afterwards, and ranges of activations are found on them. Optimal brain surgeon:
    Hassibi & Stork, 1993; layer by layer, with rounding: Frantar & Alistarh, 2022 and 2023.

    Args:
        model: the trained network; it is untouched.
        inputs: a few hundred, in batches as the network takes them: a tensor, a tuple or a dictionary each.
        rate: the share of the weights that goes, 0 <= rate < 1; None where the allocation has a target, or where there
            are bits and nothing goes.
        pattern: of weights, such as `element`, `nm` or `block`, by name, as a part or as a table with settings.
        allocation: by name, as a part or as a table with settings; a target such as `{"name": "uniform", "macs": 0.25}`
            takes the place of the rate.
        protect: layers that stay dense, by name or shell pattern.
        steps: rounds in which a layer's weights go; what stays is solved for after each.
        bits: how many weights and activations have, of which layers (protected ones too), and how ranges are found; the
            network then computes with rounded numbers, as after `quantize`. None leaves 32.

    Returns:
        The new `model`, in the mode of the one given, and for each of its `layers` the error beside magnitude's.

    Raises:
        InputError: the parts do not go together, a layer cannot be reconstructed, or the rate or target cannot be had.
            Nothing was done then.

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> found = reconstruct(model, [torch.randn(64, 8)], 0.5)
        >>> (layer,) = found.layers  # the output layer is protected
        >>> layer.layer, layer.gone, layer.error <= layer.magnitude_error
        ('0', 64, True)
        >>> found = reconstruct(model, [torch.randn(64, 8)], 0.5, bits={"weights": 4, "activations": 8})
        >>> [(layer.layer, layer.bits) for layer in found.layers]
        [('0', 8), ('2', 8)]
    """
    batches, shared = _checked(model, inputs), make(ALLOCATIONS, part_of(allocation))
    bits = OFF_BITS if bits is None else bits_of(bits)
    rate = _checked_rate(0.0 if rate is None and not bits.off and shared.target is None else rate, shared)
    clone = fresh_copy(model).eval()
    sets = _unit_sets(clone, batches[0], part_of(pattern), rate, shared, protect)
    scores = [
        arrange(clone.get_parameter(name).detach()).abs().sum(1) for one in sets for name, arrange in one.scored.items()
    ]
    counts = (
        shared.counts(sets, scores, rate) if rate is not None else _by_target(clone, batches[0], shared, sets, scores)
    )
    precisions = Precisions({}, {}) if bits.off else attached(clone, batches[0], bits)
    tasks = _tasks(clone, sets, counts, precisions)
    found = hessians(clone, [task.layer for task in tasks], batches)
    rows = [reconstruct_layer(task, hessian, steps, bits) for task, hessian in zip(tasks, found, strict=True)]
    recalibrate(clone, batches)
    if precisions.quantized:
        calibrate(clone, batches, bits, "activations")
    for name, theirs in model.named_modules():
        clone.get_submodule(name).training = theirs.training
    return Reconstructed(clone, tuple(rows), precisions.left)


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


def _unit_sets(
    model: nn.Module, example: Any, pattern: Part, rate: float | None, shared: Allocation, protect: Sequence[str]
) -> tuple[UnitSet, ...]:
    made = make(PATTERNS, pattern)
    if not isinstance(made, LayerPattern):
        raise InputError(
            f"Layers cannot be reconstructed by the pattern '{pattern.name}'",
            "weights of one layer are removed and made up for",
            "use 'element', 'nm' or 'block'; for channels, prunus.prune_channels",
        )
    made.check_even(even=shared.even)
    if rate is not None:
        made.check_rate(rate)
    layers = [layer for layer in prunable_layers(model, example) if not layer.attention]
    sets = made.unit_sets(model, example, layers, protected_layers(layers, protect))
    shared.check(sets)
    return sets


def _tasks(clone: nn.Module, sets: Sequence[UnitSet], counts: Sequence[int], precisions: Precisions) -> list[LayerTask]:
    """What is to be done to each layer that loses weights, or whose weights are rounded."""
    quantizers = {name: quantized_layers(clone)[name].weight_quantizer for name in precisions.quantized}
    units = {one.name: (one, count) for one, count in zip(sets, counts, strict=True)}
    names = dict.fromkeys((*units, *(name for name, quantizer in quantizers.items() if quantizer)))
    found = []
    for name in names:
        own, count = units.get(name, (None, 0))
        found.append(LayerTask(name, layer_of(clone, name), own, count, quantizers.get(name)))
    return found
