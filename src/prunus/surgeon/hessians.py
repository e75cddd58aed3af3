"""What layers are given on calibration inputs, summed up: the Hessian of each layer's output error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.errors import InputError, NotFiniteError
from prunus.prune.evidence.samples import call

Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d
INPUTS_AT_ONCE = 32


def hessians(model: nn.Module, layers: Sequence[Layer], batches: Iterable[Any]) -> list[Tensor]:
    """The mean of x xᵀ over all inputs and positions, (groups, d, d) in float64, of every layer.

    The model must be in evaluation mode; it runs once over the batches. Raises `InputError` if there are none.
    """
    sums: list[Tensor | None] = [None] * len(layers)
    counts = [0] * len(layers)

    def add(_module: nn.Module, inputs: tuple[Tensor, ...], index: int) -> None:
        for part in torch.split(inputs[0].detach(), INPUTS_AT_ONCE):
            columns = as_columns(layers[index], part)
            found = columns @ columns.transpose(-2, -1)
            total = sums[index]
            sums[index] = found if total is None else total.add_(found)
            counts[index] += columns.shape[-1]

    handles = [layer.register_forward_pre_hook(partial(add, index=index)) for index, layer in enumerate(layers)]
    try:
        with torch.no_grad():
            for inputs in batches:
                call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not all(counts):
        raise InputError("There are no inputs to reconstruct layers on", "", "give at least one batch")
    found = [total.double() / count for total, count in zip(sums, counts, strict=True) if total is not None]
    for layer, hessian in zip(layers, found, strict=True):
        if not hessian.isfinite().all():
            name = next(name for name, module in model.named_modules() if module is layer)
            raise NotFiniteError(
                f"What the layer {name!r} is given is not finite",
                "it is NaN or infinite for some of the calibration inputs",
                "look for such values in the inputs and in the weights of the layers before",
            )
    return found


def as_columns(layer: Layer, inputs: Tensor) -> Tensor:
    """(groups, d, positions): all that a row of the layer's weight is multiplied with.

    inputs: as the layer is given them, (n, ...).
    """
    if isinstance(layer, nn.Linear):
        return inputs.reshape(1, -1, inputs.shape[-1]).transpose(1, 2)
    if isinstance(layer, nn.Conv1d):
        inputs = inputs.unsqueeze(-2)
    flat = (1,) * (2 - len(layer.kernel_size))
    kernel, stride = flat + layer.kernel_size, flat + layer.stride
    dilation = flat + layer.dilation
    before = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, before, mode=mode) if any(before) else inputs
    columns = F.unfold(padded, kernel, dilation=dilation, stride=stride)
    grouped = columns.reshape(len(inputs), layer.groups, -1, columns.shape[-1])
    return grouped.permute(1, 2, 0, 3).reshape(layer.groups, grouped.shape[2], -1)
