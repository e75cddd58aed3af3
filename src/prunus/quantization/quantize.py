"""`prunus.quantize`: for those who have a network, a few inputs, and a training loop of their own or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune import PrunableLayer, prunable_layers
from prunus.quantization.calibration import calibrate
from prunus.quantization.layers import Precisions, precisions_of
from prunus.quantization.scheme import attach, detach, quantized_layers
from prunus.spec import Bits, bits_of
from prunus.trace.inventory import unwrapped


@dataclass(frozen=True)
class Quantized:
    """What `quantize` returns.

    Attributes:
        model: the network that was given.
        layers: layer -> bits of its weight and of its input.
        left: layer -> why it keeps its 32 bits though it was asked for fewer.
    """

    model: nn.Module
    layers: Mapping[str, tuple[int, int]]
    left: Mapping[str, str]


def quantize(model: nn.Module, inputs: Iterable[Any], bits: Bits | Mapping[str, Any] = Bits()) -> Quantized:  # noqa: B008
    """Have a network compute with rounded weights and activations from now on, in place.

    Its parameters keep their names and values: it can be trained on (gradients go straight through the rounding), a
    `Pruner` keeps its zeros, and `write_onnx` writes what it computes as integers. With `when = "aware"` or `"both"`
    the ranges are parameters; make the optimiser afterwards.

    Args:
        model: the network, its weights trained. Give one that is not yet behind `DistributedDataParallel`.
        inputs: a few hundred, in batches as the network takes them: a tensor, a tuple or a dictionary each.
        bits: how many, of which layers, and how ranges are found; `begin` is when this is called.

    Returns:
        The network, and the bits of its layers.

    Raises:
        InputError: bits, inputs and network do not go together, or there are numbers that are not finite. Nothing was
            done then.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> found = quantize(model, [torch.randn(64, 8)], {"weights": 4, "activations": 8, "first_last": 4})
        >>> found.layers["0"], len(model[0].weight_quantizer.integers(model[0].weight).unique()) <= 15
        ((4, 8), True)
    """
    bits, batches = bits_of(bits), _batches(inputs)
    precisions = attached(unwrapped(model), batches[0], bits)
    try:
        calibrate(unwrapped(model), batches, bits)
    except InputError:
        detach(unwrapped(model))
        raise
    return Quantized(model, precisions.quantized, precisions.left)


def attached(model: nn.Module, example_inputs: Any, bits: Bits) -> Precisions:
    """Give a network's layers quantisers without ranges yet. Raises `InputError` where it has some, or none can be."""
    precisions = precisions_asked(model, prunable_layers(model, example_inputs), bits)
    attach(model, precisions.quantized, learned=bits.when != "post")
    return precisions


def precisions_asked(model: nn.Module, layers: Sequence[PrunableLayer], bits: Bits) -> Precisions:
    """Which bits each layer gets. Raises `InputError` where it has some already, or where no layer can have them."""
    if quantized_layers(model):
        raise InputError(
            "The network is quantised already", "its layers have quantisers", "start from the network without them"
        )
    precisions = precisions_of(model, layers, bits)
    if not precisions.quantized:
        why = "; ".join(f"{name}: {why}" for name, why in precisions.left.items())
        raise InputError(
            "The network has nothing to quantise",
            why or "no convolution or linear layer is asked for fewer than 32 bits",
            "quantise a network whose layers are torch.nn.Linear, torch.nn.Conv2d and so on",
        )
    return precisions


def _batches(inputs: Any) -> list[Any]:
    if isinstance(inputs, Tensor) or not isinstance(inputs, Iterable) or not (found := list(inputs)):
        raise InputError(
            "The calibration inputs are no batches",
            f"they are of type {type(inputs).__name__}, or there is none",
            "give a list of batches, [inputs] if it is one, or a loader",
        )
    return found
