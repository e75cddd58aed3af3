"""What a data set is: inputs and targets in memory, cut into training and test data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunus.spec.part import canonical_json

if TYPE_CHECKING:  # only for types, so that data sets can be listed without importing torch
    from torch import Size, Tensor

CHUNK = 1 << 22  # elements that are hashed at once


@dataclass(frozen=True, eq=False)
class Split:
    """Samples in memory. inputs: (n, ...) float32 or uint8; targets: (n,) int64, indices of classes."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: Tensor) -> Split:
        """The samples at these indices, in their order."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test data with the names of the classes.

    mean, std: one number per channel (the first dimension of a sample), in units of the scaled inputs; None leaves the
    scaled inputs as they are.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train.inputs.shape[1:])

    def prepare(self, inputs: Tensor) -> Tensor:
        """What a network is given: uint8 divided by 255, then (x − mean) / std per channel; float32, (n, ...)."""
        scaled = inputs if inputs.is_floating_point() else inputs.float().div_(255)
        if self.mean is None or self.std is None:
            return scaled
        per_channel = (-1,) + (1,) * (inputs.dim() - 2)
        mean, std = (scaled.new_tensor(values).view(per_channel) for values in (self.mean, self.std))
        return (scaled - mean) / std

    def fingerprint(self) -> str:
        """SHA-256 over all that training and testing can see: every array, the classes, mean and std."""
        state = hashlib.sha256(canonical_json([self.classes, self.mean, self.std]).encode())
        for tensor in (self.train.inputs, self.train.targets, self.test.inputs, self.test.targets):
            state.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            for chunk in _chunks(tensor):
                state.update(chunk)
        return state.hexdigest()


def times(shape: tuple[int, ...] | Size) -> str:
    """A shape in words.

    >>> times((3, 32, 32))
    '3x32x32'
    """
    return "x".join(str(size) for size in shape) or "a single number"


def _chunks(tensor: Tensor) -> Iterator[memoryview]:
    """The elements in order, a chunk at a time, without copying the whole."""
    rows = max(1, CHUNK // max(1, tensor[0].numel()))
    for first in range(0, len(tensor), rows):
        yield tensor[first : first + rows].reshape(-1).contiguous().numpy().data
