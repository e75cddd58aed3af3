"""A network's quantisation as data: what was found of each layer, to be stored, cut and put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.quantization.layers import QUANTIZED, LayerPrecision, QuantizedLayer
from prunus.quantization.quantizers import InputQuantizer, WeightQuantizer
from prunus.spec.bits import OFF


@dataclass(frozen=True)
class LayerScheme:
    """How one layer is quantised; a scale is None where that keeps its 32 bits.

    Attributes:
        weight_bits: bits of its weight.
        activation_bits: bits of its input.
        weight_scale: (outputs,), for each output what a step of its weights stands for.
        input_scale: (), what a step of its input stands for.
        input_zero_point: the integer that stands for a zero of the input.
    """

    weight_bits: int
    activation_bits: int
    weight_scale: Tensor | None = None
    input_scale: Tensor | None = None
    input_zero_point: int = 0

    def without_outputs(self, gone: tuple[int, ...]) -> LayerScheme:
        """The scheme of the layer without these outputs."""
        if self.weight_scale is None or not gone:
            return self
        kept = torch.ones(len(self.weight_scale), dtype=torch.bool)
        kept[list(gone)] = False
        return replace(self, weight_scale=self.weight_scale[kept])


PLAIN: dict[type[nn.Module], type[nn.Module]] = {quantized: plain for plain, quantized in QUANTIZED.items()}

Scheme: TypeAlias = dict[str, LayerScheme]
"""Layer -> how it is quantised. Layers that are not in it are not quantised."""


def quantized_layers(model: nn.Module) -> dict[str, QuantizedLayer]:
    """The layers of a network that compute with rounded numbers, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)}


def attach(model: nn.Module, precisions: Mapping[str, LayerPrecision], *, learned: bool) -> None:
    """Give layers quantisers in place. They let everything pass until their ranges are found.

    The layers stay the objects they were, of a subclass of their class, so that whatever holds them or their parameters
    (optimisers, masks, hooks) goes on holding them.

    Args:
        model: the network.
        precisions: layer -> bits of its weight and its input.
        learned: whether ranges are parameters, for an optimiser to change.
    """
    for name, (weights, activations) in precisions.items():
        module = model.get_submodule(name)
        module.__class__ = QUANTIZED[type(module)]
        layer = cast("QuantizedLayer", module)
        device, outputs = layer.weight.device, len(layer.weight)
        of_weight = None if weights == OFF else WeightQuantizer(weights, outputs, learned=learned)
        of_input = None if activations == OFF else InputQuantizer(activations, learned=learned)
        layer.weight_quantizer = None if of_weight is None else of_weight.to(device)
        layer.input_quantizer = None if of_input is None else of_input.to(device)


@torch.no_grad()
def detach(model: nn.Module) -> Scheme:
    """Take the quantisers off in place, and leave the rounded weights as the layers' own.

    Returns:
        What `reattach` needs for the network to compute as it did.
    """
    scheme = scheme_of(model)
    for layer in quantized_layers(model).values():
        if layer.weight_quantizer is not None:
            layer.weight.copy_(layer.weight_quantizer(layer.weight))
        del layer.weight_quantizer, layer.input_quantizer
        plain: nn.Module = layer
        plain.__class__ = PLAIN[type(layer)]
    return scheme


def _scheme_of(layer: QuantizedLayer) -> LayerScheme:
    of_weight, of_input = layer.weight_quantizer, layer.input_quantizer
    return LayerScheme(
        layer.weight_bits,
        layer.activation_bits,
        None if of_weight is None else of_weight.scale.detach().cpu().clone(),
        None if of_input is None else of_input.scale.detach().cpu().clone(),
        0 if of_input is None else int(of_input.zero_point),
    )


def scheme_of(model: nn.Module) -> Scheme:
    """The scheme of a network whose layers have quantisers; layers whose ranges are not found yet are left out."""
    return {name: _scheme_of(layer) for name, layer in quantized_layers(model).items() if layer.is_active}


def check_layers(model: nn.Module, scheme: Scheme) -> None:
    """Raises `InputError` where a network has not the layers of a scheme."""
    modules = dict(model.named_modules())
    for name in scheme:
        if type(modules.get(name)) not in QUANTIZED:
            raise InputError(
                f"The layer {name!r} is quantised, and the network has no such layer",
                "it was rewritten or is another network",
                "quantise this network anew",
            )


def reattach(model: nn.Module, scheme: Scheme) -> None:
    """Have a network that `detach` left compute with rounded inputs again, in place.

    Raises `InputError` where it has not the layers of the scheme.
    """
    check_layers(model, scheme)
    attach(model, {name: (one.weight_bits, one.activation_bits) for name, one in scheme.items()}, learned=False)
    for name, layer in quantized_layers(model).items():
        one = scheme[name]
        if layer.weight_quantizer is not None and one.weight_scale is not None:
            layer.weight_quantizer.set_range(one.weight_scale, torch.zeros(()))
        if layer.input_quantizer is not None and one.input_scale is not None:
            layer.input_quantizer.set_range(one.input_scale, torch.tensor(float(one.input_zero_point)))
