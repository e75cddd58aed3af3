"""A quantised network's integers and scales in the safetensors format, to be read by anybody."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from prunus.channels.structure import named_tensors
from prunus.errors import InputError, PrunusError
from prunus.export._trained_weights import read_tensors
from prunus.export._written import WrittenFile
from prunus.quantization import Grid, LayerScheme, Scheme, detach, from_integers, to_integers
from prunus.store import INTEGERS_FORMAT, write_atomically
from prunus.trace.inventory import unwrapped

KEY = "prunus_bits"
SCALE, INPUT_SCALE, INPUT_ZERO_POINT = "weight_scale", "input_scale", "input_zero_point"


def write_integers(model: nn.Module, path: str | Path) -> WrittenFile:
    """Write a quantised network: integers where weights are rounded, all other tensors as they are.

    Of a layer `NAME`, the file holds `NAME.weight` (int8, whatever its bits), `NAME.weight_scale` (outputs,),
    `NAME.input_scale` () and `NAME.input_zero_point` (uint8), as far as it has them; the header's `prunus_bits` has the
    bits of its weight and its input, as JSON. The integers times the scales are the rounded weights, bit for bit.

    Args:
        model: a network that `quantize` or a recipe's bits have quantised; it stays as it was.
        path: of the file, which is replaced where it is there.

    Returns:
        The file's path, size in bytes and SHA-256.

    Raises:
        InputError: nothing in the network is quantised.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from prunus.quantization import quantize
        >>> model = quantize(nn.Linear(64, 32), [torch.randn(16, 64)]).model
        >>> with TemporaryDirectory() as folder:
        ...     file = write_integers(model, f"{folder}/a.safetensors")
        >>> file.format, file.size_bytes < 64 * 32 + 1024
        ('integers', True)
    """
    plain = copy.deepcopy(unwrapped(model))
    scheme = detach(plain)
    if not scheme:
        raise InputError(
            "The network cannot be written as integers",
            "none of its layers is quantised, or their ranges are not found yet",
            "quantise it first, with prunus.quantize",
        )
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in named_tensors(plain).items()}
    for name, one in scheme.items():
        tensors |= _tensors_of(name, one, tensors[_key(name, "weight")])
    bits = {name: [one.weight_bits, one.activation_bits] for name, one in scheme.items()}
    write_atomically(Path(path), to_bytes(tensors, {KEY: json.dumps(bits)}))
    return WrittenFile.of(INTEGERS_FORMAT, Path(path), 0.0)


def read_scheme(path: str | Path) -> Scheme:
    """The scheme of a file that `write_integers` wrote. Raises `InputError` where it is none."""
    tensors, header = read_tensors(path)
    try:
        bits: Mapping[str, tuple[int, int]] = json.loads(header[KEY])
        return {name: _scheme_of(name, *pair, tensors) for name, pair in bits.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"The file {path} holds no quantised network", str(error), "write it anew") from None


def integers_of(one: LayerScheme, weight: Tensor) -> Tensor:
    """The int8 integers of a weight (outputs, ...) that is rounded by a scheme with a scale for weights."""
    if one.weight_scale is None:
        raise ValueError("the weight is not quantised")
    column = one.weight_scale.reshape(-1, *(1,) * (weight.dim() - 1))
    none = torch.zeros(())
    integers = to_integers(weight, column, none, Grid.of_weights(one.weight_bits))
    if not torch.equal(from_integers(integers, column, none), weight):
        raise PrunusError(
            "The weights of a layer are not its integers times its scales", "it was changed after its rounding", ""
        )
    return integers.to(torch.int8)


def _key(layer: str, part: str) -> str:
    """What a tensor of a layer is called; the network itself may be one."""
    return f"{layer}.{part}" if layer else part


def _tensors_of(name: str, one: LayerScheme, weight: Tensor) -> dict[str, Tensor]:
    found = {}
    if one.weight_scale is not None:
        found = {_key(name, "weight"): integers_of(one, weight), _key(name, SCALE): one.weight_scale.clone()}
    if one.input_scale is not None:
        found[_key(name, INPUT_SCALE)] = one.input_scale.clone()
        found[_key(name, INPUT_ZERO_POINT)] = torch.tensor(one.input_zero_point, dtype=torch.uint8)
    return found


def _scheme_of(name: str, weights: int, activations: int, tensors: Mapping[str, Tensor]) -> LayerScheme:
    zero_point = tensors.get(_key(name, INPUT_ZERO_POINT))
    return LayerScheme(
        weights,
        activations,
        tensors.get(_key(name, SCALE)),
        tensors.get(_key(name, INPUT_SCALE)),
        0 if zero_point is None else int(zero_point),
    )
