"""Example inputs: as a tuple, at any batch size, filled at random; and networks as they take these in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from prunus.errors import InputError

Examples: TypeAlias = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def as_tuple(example_inputs: Examples) -> tuple[Tensor, ...]:
    """One or several inputs, positional or named. Raises `InputError` where there is none."""
    named = isinstance(example_inputs, Mapping)
    several = example_inputs.values() if named else example_inputs  # type: ignore[union-attr]
    inputs = (several,) if isinstance(several, Tensor) else tuple(several)
    if not inputs or not all(isinstance(tensor, Tensor) and tensor.dim() > 0 for tensor in inputs):
        raise InputError(
            "The example inputs are not tensors with a batch dimension", "an export needs them", "give them"
        )
    return inputs


def input_names(example_inputs: Examples) -> tuple[str, ...]:
    """What an ONNX file calls them: their own names, or `input`, or `input_0`, `input_1`, ..."""
    if isinstance(example_inputs, Mapping):
        return tuple(example_inputs)
    inputs = as_tuple(example_inputs)
    return ("input",) if len(inputs) == 1 else tuple(f"input_{place}" for place in range(len(inputs)))


class _ByPosition(nn.Module):
    """A network that takes its named inputs one after the other."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, tuple(names)

    def forward(self, *inputs: Tensor) -> Any:
        return self.network(**dict(zip(self.names, inputs, strict=True)))


def positional(model: nn.Module, example_inputs: Examples) -> nn.Module:
    """The network as files take it: its inputs one after the other, also where they have names."""
    return _ByPosition(model, tuple(example_inputs)) if isinstance(example_inputs, Mapping) else model


def class_name(model: nn.Module) -> str:
    """What a user calls the network."""
    return type(model.network if isinstance(model, _ByPosition) else model).__name__


def batched(inputs: Sequence[Tensor]) -> tuple[bool, ...]:
    """Which inputs have the batch as dimension 0: those as long there as the first one."""
    return tuple(tensor.shape[0] == inputs[0].shape[0] for tensor in inputs)


def at_batch(inputs: Sequence[Tensor], batch: int, seed: int) -> tuple[Tensor, ...]:
    """Random inputs of the same kinds with another batch size.

    Floating ones are standard normal; integer ones are drawn from the values that the example has.
    """
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        _random(tensor, (batch, *tensor.shape[1:]) if has_batch else tuple(tensor.shape), generator)
        for tensor, has_batch in zip(inputs, batched(inputs), strict=True)
    )


def _random(example: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if example.is_floating_point():
        return torch.randn(shape, generator=generator).to(example.dtype)
    values = example.detach().cpu().flatten()
    return values[torch.randint(values.numel(), shape, generator=generator)]
