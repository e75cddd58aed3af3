"""Finding the ranges of a network's layers: of weights as they are, of activations on calibration inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from prunus.errors import InputError
from prunus.prune.evidence.samples import call
from prunus.quantization.layers import QuantizedLayer
from prunus.quantization.scheme import quantized_layers
from prunus.spec import Bits

LARGEST_SAMPLE = 2**16
"""Values that are looked at of a layer's input for one batch, besides the lowest and the highest of all."""


def calibrate(
    model: nn.Module, batches: Iterable[Any], bits: Bits, which: Literal["all", "activations"] = "all"
) -> None:
    """Find the ranges of a network's quantisers; it runs in evaluation mode, and with unrounded numbers meanwhile.

    Args:
        model: a network whose layers have quantisers.
        batches: of inputs, as the network takes them.
        bits: how ranges are found.
        which: `activations` leaves the weights' ranges as they are, and runs with them.

    Raises:
        InputError: the inputs are all one number or the network does not run on them; a layer's name where its weight
            or input is not finite, or it never ran.
    """
    layers = quantized_layers(model)
    of_inputs = {name: layer for name, layer in layers.items() if layer.input_quantizer is not None}
    with passing(layers.values(), which):
        seen = _observed(model, of_inputs, list(batches))
    for name, layer in layers.items():
        if layer.weight_quantizer is not None and which == "all":
            layer.weight_quantizer.find_range(name, layer.weight, bits)
        if layer.input_quantizer is not None:
            layer.input_quantizer.find_range(name, seen[name], bits)


@contextmanager
def passing(layers: Iterable[QuantizedLayer], which: str) -> Iterator[None]:
    """Within, quantisers let everything pass: those of layers' inputs, and with `which = "all"` of weights, too."""
    both = which == "all"
    pairs = ((layer.input_quantizer, layer.weight_quantizer if both else None) for layer in layers)
    found = [one for pair in pairs for one in pair if one is not None]
    before = [one.is_active for one in found]
    for one in found:
        one.is_active = False
    try:
        yield
    finally:
        for one, active in zip(found, before, strict=True):
            one.is_active = active


@torch.no_grad()
def _observed(model: nn.Module, layers: dict[str, Any], batches: list[Any]) -> dict[str, Tensor]:
    """Layer -> values (n,) of its input: an even sample of every batch, with the lowest and the highest of it."""
    _refuse_constant(batches)
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}
    handles = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(_sampled(inputs[0])))
        for name, layer in layers.items()
    ]
    modes = {module: module.training for module in model.modules()}
    device = next(model.parameters()).device
    try:
        model.eval()
        for batch in batches:
            _run(model, batch, device)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    if missing := [name for name, values in seen.items() if not values]:
        raise InputError(
            f"The layer {missing[0]!r} cannot be quantised",
            "it did not run on the calibration inputs",
            f"leave it out (ignore = [{missing[0]!r}])",
        )
    return {name: torch.cat(values) for name, values in seen.items()}


def _sampled(values: Tensor) -> Tensor:
    flat = values.detach().float().flatten()
    step = -(-flat.numel() // LARGEST_SAMPLE) or 1
    return torch.cat((flat[::step], flat.amin(0, keepdim=True), flat.amax(0, keepdim=True)))


def _run(model: nn.Module, batch: Any, device: torch.device) -> None:
    try:
        call(model, tree_map_only(Tensor, lambda tensor: tensor.to(device), batch))
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError) as error:
        raise InputError(
            f"{type(model).__name__} does not run on the calibration inputs",
            (str(error).strip() or type(error).__name__).splitlines()[0],
            "give batches as the network takes them: a tensor, a tuple of several, or a dictionary of named ones each",
        ) from error


def _refuse_constant(batches: list[Any]) -> None:
    """Raises `InputError` for inputs that tell nothing: none, or all of them one number."""
    if not batches:
        raise InputError("There are no calibration inputs", "ranges are found on them", "give at least one batch")
    floating = [leaf for leaf in tree_leaves(batches) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    ends = [end for leaf in floating if leaf.numel() for end in (float(leaf.min()), float(leaf.max()))]
    if ends and min(ends) == max(ends):
        raise InputError(
            "The calibration inputs cannot be used",
            f"all of their numbers are {ends[0]:g}, so that they tell no range",
            "give some of the inputs that the network was trained on",
        )
