"""`prunus.reconstruct`: for those who have a trained network, a few inputs, and no training script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from prunus.channels import recalibrate
from prunus.cost import count_cost
from prunus.errors import InputError
from prunus.prune import UnitSet
from prunus.quantization import attach, calibrate, quantized_layers
from prunus.reconstruct.asked import Asked, OneOrSeveral
from prunus.reconstruct.choices import Chosen
from prunus.reconstruct.layer import LayerError, LayerTask, layer_of, reconstruct_layer
from prunus.reconstruct.least_change import hessians
from prunus.spec import Part
from prunus.trace.copying import fresh_copy


@dataclass(frozen=True)
class Reconstructed:
    """What `reconstruct` returns.

    Attributes:
        model: the new network, in the mode of the one given.
        layers: what became of each layer that was pruned or rounded.
        left: layer -> why it keeps its 32 bits though it was asked for fewer.
        bops: the share of the network's bit operations at 32 bits that is left.
    """

    model: nn.Module
    layers: tuple[LayerError, ...]
    left: Mapping[str, str] = field(default_factory=dict)
    bops: float = 1.0


def reconstruct(
    model: nn.Module,
    inputs: Iterable[Any],
    rate: float | None = None,
    *,
    pattern: str | Part | Mapping[str, Any] = "element",
    allocation: str | Part | Mapping[str, Any] = "uniform",
    protect: Sequence[str] = ("output",),
    steps: int = 4,
    bits: OneOrSeveral = None,
    bops: float | None = None,
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
            network then computes with rounded numbers, as after `quantize`. A number stands for both; several, such as
            (2, 4, 8), are what each layer gets one of, with `bops`. None leaves 32.
        bops: the share of the network's bit operations at 32 bits that is left at most; each layer gets the rate and
            the bits that are best for that, with `rate=0` bits alone, without several bits rates alone.

    Returns:
        The new `model`, in the mode of the one given, and for each of its `layers` the error beside magnitude's.

    Raises:
        InputError: the parts do not go together, a layer cannot be reconstructed, or the rate or target cannot be had.
            Nothing was done then.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> found = reconstruct(model, [torch.randn(64, 8)], 0.5)
        >>> (layer,) = found.layers  # the output layer is protected
        >>> layer.layer, layer.gone, layer.error <= layer.magnitude_error
        ('0', 64, True)
        >>> found = reconstruct(model, [torch.randn(64, 8)], 0.5, bits={"weights": 4, "activations": 8})
        >>> [(layer.layer, layer.bits) for layer in found.layers]
        [('0', 8), ('2', 8)]
        >>> found = reconstruct(model, [torch.randn(64, 8)], bits=(4, 8), bops=0.04)
        >>> 0.02 < found.bops <= 0.04
        True
    """
    batches = _checked(model, inputs)
    asked = Asked.of(rate, pattern, allocation, protect, bits, bops)
    clone, finding = fresh_copy(model).eval(), asked.offered[0]
    total = count_cost(clone, batches[0]).dense_bops
    sets, chosen = asked.chosen(clone, batches)
    attach(clone, chosen.precisions, learned=finding.when != "post")
    tasks = _tasks(clone, sets, chosen)
    found = hessians(clone, [task.layer for task in tasks], batches)
    rows = [reconstruct_layer(task, hessian, steps, finding) for task, hessian in zip(tasks, found, strict=True)]
    recalibrate(clone, batches)
    if chosen.precisions:
        calibrate(clone, batches, finding, "activations")
    for name, theirs in model.named_modules():
        clone.get_submodule(name).training = theirs.training
    left = count_cost(clone, batches[0], bits=chosen.precisions).effective_bops
    return Reconstructed(clone, tuple(rows), chosen.left, left / max(total, 1))


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


def _tasks(clone: nn.Module, sets: Sequence[UnitSet], chosen: Chosen) -> list[LayerTask]:
    """What is to be done to each layer that loses weights, or whose weights are rounded."""
    quantizers = {name: quantized_layers(clone)[name].weight_quantizer for name in chosen.precisions}
    units = {one.name: one for one in sets}
    names = dict.fromkeys((*units, *(name for name, quantizer in quantizers.items() if quantizer)))
    return [
        LayerTask(name, layer_of(clone, name), units.get(name), chosen.counts.get(name, 0), quantizers.get(name))
        for name in names
    ]
