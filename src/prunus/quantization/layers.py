"""Layers that compute with rounded weights and inputs, and which bits each layer of a network gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, cast

from torch import Tensor, nn
from torch.nn import functional as F

from prunus.errors import InputError, nearest
from prunus.prune import PrunableLayer
from prunus.quantization.quantizers import InputQuantizer, WeightQuantizer
from prunus.spec import Bits
from prunus.spec.bits import OFF


class QuantizedLayer(nn.Module):
    """What a layer of a quantised network has beside its parameters: a quantiser of its weight and one of its input.

    Either is None where that keeps its 32 bits. The layer's parameters keep their names and are the unrounded ones.
    """

    weight: Tensor
    weight_quantizer: WeightQuantizer | None
    input_quantizer: InputQuantizer | None

    @property
    def weight_bits(self) -> int:
        """Bits of its weight."""
        return self.weight_quantizer.bits if self.weight_quantizer else OFF

    @property
    def activation_bits(self) -> int:
        """Bits of its input."""
        return self.input_quantizer.bits if self.input_quantizer else OFF

    @property
    def is_active(self) -> bool:
        """Whether it rounds already."""
        return any(one is not None and one.is_active for one in (self.weight_quantizer, self.input_quantizer))

    def rounded(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The input and the weight, rounded."""
        weight = self.weight if self.weight_quantizer is None else self.weight_quantizer(self.weight)
        return (values if self.input_quantizer is None else self.input_quantizer(values)), weight


class QuantizedLinear(QuantizedLayer, nn.Linear):
    """A linear layer."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's own name
        """(n, ..., inputs) to (n, ..., outputs)."""
        values, weight = self.rounded(input)
        return F.linear(values, weight, self.bias)


class _QuantizedConvolution(QuantizedLayer):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's own name
        """(n, channels, ...) to (n, outputs, ...)."""
        values, weight = self.rounded(input)
        convolution = cast("nn.Conv2d", self)
        result: Tensor = convolution._conv_forward(values, weight, convolution.bias)
        return result


class QuantizedConv1d(_QuantizedConvolution, nn.Conv1d):
    """A convolution over (n, channels, length)."""


class QuantizedConv2d(_QuantizedConvolution, nn.Conv2d):
    """A convolution over (n, channels, height, width)."""


class QuantizedConv3d(_QuantizedConvolution, nn.Conv3d):
    """A convolution over (n, channels, depth, height, width)."""


QUANTIZED: dict[type[nn.Module], type[Any]] = {
    nn.Linear: QuantizedLinear,
    nn.Conv1d: QuantizedConv1d,
    nn.Conv2d: QuantizedConv2d,
    nn.Conv3d: QuantizedConv3d,
}
"""What becomes of a layer of exactly this class; its subclasses may compute something else."""

LayerPrecision: TypeAlias = tuple[int, int]
"""Bits of a layer's weight, and of its input."""


@dataclass(frozen=True)
class Precisions:
    """The bits of a network's layers.

    quantized: layer -> bits of its weight and its input. left: layer -> why it keeps 32 bits though it was asked for
    fewer.
    """

    quantized: Mapping[str, LayerPrecision]
    left: Mapping[str, str]


def precisions_of(model: nn.Module, layers: Sequence[PrunableLayer], bits: Bits) -> Precisions:
    """Which bits each layer gets, by the order of precedence that `Bits` documents.

    Args:
        model: the network.
        layers: its convolution and linear layers in the order in which they run.
        bits: what is asked for.

    Raises:
        InputError: an entry of `layers` or `ignore` fits no layer.
    """
    names = [layer.name for layer in layers]
    _refuse_unfit((*(one.name for one in bits.layers), *bits.ignore), names)
    asked = {layer.name: _asked(layer, layer is layers[0], bits) for layer in layers}
    asked = {name: found for name, found in asked.items() if found != (OFF, OFF)}
    reasons = {layer.name: why for layer in layers if layer.name in asked and (why := _cannot(model, layer))}
    return Precisions({name: found for name, found in asked.items() if name not in reasons}, reasons)


def _asked(layer: PrunableLayer, is_first: bool, bits: Bits) -> LayerPrecision:
    weights, activations = bits.weights, bits.activations
    if is_first or layer.output:
        weights, activations = max(weights, bits.first_last), max(activations, bits.first_last)
    for one in bits.layers:
        if fits(one.name, layer.name):
            weights, activations = one.weights or weights, one.activations or activations
    return (OFF, OFF) if any(fits(entry, layer.name) for entry in bits.ignore) else (weights, activations)


def _cannot(model: nn.Module, layer: PrunableLayer) -> str:
    """Why a layer cannot be quantised; empty if it can."""
    if layer.computed:
        return "its weight is no parameter, but computed from others"
    kind = type(model.get_submodule(layer.name if not layer.attention else layer.module))
    known = ", ".join(sorted(one.__name__ for one in QUANTIZED))
    return "" if kind in (*QUANTIZED, *QUANTIZED.values()) else f"it is of the class {kind.__name__}, not {known}"


def fits(entry: str, name: str) -> bool:
    """Whether an entry of a recipe's bits names a layer.

    >>> fits("features.*", "features.0"), fits("re:.*[02]", "features.2"), fits("re:features", "features.2")
    (True, True, False)
    """
    if not entry.startswith("re:"):
        return fnmatchcase(name, entry)
    try:
        return re.fullmatch(entry.removeprefix("re:"), name) is not None
    except re.error as error:
        raise InputError(f"{entry!r} is no regular expression", str(error), "mend it, or name the layer") from None


def _refuse_unfit(entries: Iterable[str], names: Sequence[str]) -> None:
    for entry in entries:
        if not any(fits(entry, name) for name in names):
            raise InputError(
                f"The bits are said of {entry!r}, which is not in the network",
                "no convolution or linear layer has that name",
                nearest(entry, names),
            )
