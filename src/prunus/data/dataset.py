"""What a data set is: inputs and targets, cut into training and test data; and where it comes from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from prunus.errors import InputError
from prunus.registry import Registry
from prunus.spec.part import Frozen, canonical_json

if TYPE_CHECKING:  # only for types, so that data sets can be listed without importing torch
    from torch import Size, Tensor

    from prunus.data.stream import Stream

CHUNK = 1 << 22  # elements that are hashed at once
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
"""What users call the arrays of a data set, in the order in which a function returns them."""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples in memory.

    Attributes:
        inputs: (n, ...) float32 or uint8; or a tuple or a dictionary of such tensors, which the network takes as
            arguments. Indices, such as those of tokens, are int64.
        targets: (n,) int64, indices of classes; of other tasks than classification also other tensors, or trees of
            them, with a sample in each place of the first dimension.
    """

    inputs: Any
    targets: Any

    def __len__(self) -> int:
        return len(_tensors(self.inputs)[0])

    def take(self, indices: Tensor) -> Split:
        """The samples at these indices, in their order."""
        return self._each(lambda tensor: tensor[indices.to(tensor.device)])

    def head(self, count: int) -> Split:
        """The first samples."""
        return self._each(lambda tensor: tensor[:count])

    def in_order(self, size: int) -> Iterator[tuple[Any, Any]]:
        """Batches of inputs and targets."""
        for first in range(0, len(self), size):
            part = self._each(lambda tensor, first=first: tensor[first : first + size])
            yield part.inputs, part.targets

    def _each(self, change: Callable[..., Tensor]) -> Split:
        if not isinstance(self.inputs, tuple | list | dict) and not isinstance(self.targets, tuple | list | dict):
            return Split(change(self.inputs), change(self.targets))
        from torch.utils._pytree import tree_map

        return Split(tree_map(change, self.inputs), tree_map(change, self.targets))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test data with the names of the classes.

    Attributes:
        name: what reports call it.
        train: the samples to train on, in memory or read while training.
        test: the samples that are only ever tested on.
        classes: a name for each number among the targets; empty where the targets are no classes.
        mean: one number per channel (the first dimension of a sample), in units of the scaled inputs; None leaves the
            scaled inputs as they are.
        std: as `mean`.
        validation: the samples that choices are made by; None has them cut from the training data where they are asked
            for.

    Example:
        >>> import torch
        >>> split = Split(torch.tensor([[0], [255]], dtype=torch.uint8), torch.tensor([0, 1]))
        >>> data = Dataset("dots", split, split, ("dark", "light"), mean=(0.5,), std=(0.5,))
        >>> data.prepare(split.inputs).flatten()
        tensor([-1.,  1.])
    """

    name: str
    train: Split | Stream
    test: Split | Stream
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    validation: Split | Stream | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch, where it is one tensor in memory."""
        return tuple(self.in_memory.inputs.shape[1:])

    @property
    def in_memory(self) -> Split:
        """The training data. Raises `InputError` where they are only read while training."""
        if isinstance(self.train, Split):
            return self.train
        raise InputError(
            f"The data set {self.name!r} cannot be used here",
            "its samples are read while a network trains, and here they are drawn from memory",
            "give arrays or a prunus.Dataset of tensors",
        )

    def prepare(self, inputs: Any) -> Any:
        """What a network is given: uint8 divided by 255, then (x − mean) / std per channel; float32, (n, ...).

        Several tensors are not shifted, and other types stay as they are.
        """
        if isinstance(inputs, tuple | list | dict):
            from torch.utils._pytree import tree_map

            return tree_map(_scaled, inputs)
        scaled = _scaled(inputs)
        if self.mean is None or self.std is None:
            return scaled
        per_channel = (-1,) + (1,) * (inputs.dim() - 2)
        mean, std = (scaled.new_tensor(values).view(per_channel) for values in (self.mean, self.std))
        return (scaled - mean) / std

    def head(self, count: int) -> Dataset:
        """The same data set with its first training inputs alone; tests shrink in proportion."""
        train = min(count, len(self.train))
        test = max(1, len(self.test) * train // len(self.train))
        return replace(self, train=self.train.head(train), test=self.test.head(test))

    def fingerprint(self) -> str:
        """SHA-256 over all that training and testing can see: every array, the classes, mean and std.

        Of what is read while training, some samples stand for all (`Stream.fingerprint`).
        """
        state = hashlib.sha256(canonical_json([self.classes, self.mean, self.std]).encode())
        for split in (self.train, self.test, self.validation):
            if isinstance(split, Split):
                for tensor in (*_tensors(split.inputs), *_tensors(split.targets)):
                    state.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                    for chunk in _chunks(tensor):
                        state.update(chunk)
            elif split is not None:
                state.update(split.fingerprint().encode())
        return state.hexdigest()


def _scaled(inputs: Tensor) -> Tensor:
    """Pixels from 0 to 1; all else as it is."""
    return inputs.float().div_(255) if str(inputs.dtype) == "torch.uint8" else inputs


def _tensors(tree: Any) -> list[Tensor]:
    if not isinstance(tree, tuple | list | dict):
        return [tree]
    from torch.utils._pytree import tree_leaves

    return tree_leaves(tree)


def times(shape: tuple[int, ...] | Size) -> str:
    """A shape in words.

    >>> times((3, 32, 32))
    '3x32x32'
    """
    return "x".join(str(size) for size in shape) or "a single number"


def _chunks(tensor: Tensor) -> Iterator[memoryview]:
    """The elements in order, a chunk at a time, without copying the whole."""
    rows = max(1, CHUNK // max(1, tensor[:1].numel()))
    for first in range(0, len(tensor), rows):
        yield tensor[first : first + rows].reshape(-1).contiguous().numpy().data


AnySplit: TypeAlias = "Split | Stream"
"""Samples in memory, or read while a network trains."""


class DataSource(Frozen, ABC):
    """A source of data; the fields of a subclass are its settings.

    `load` returns the same data at every call on every machine, whatever the state of any random generator, and reads
    files without running code from them.
    """

    @abstractmethod
    def load(self) -> Dataset:
        """Bring the data into memory. Raises `MissingError` for absent files, `InputError` for files in disorder."""


class AnyTargets(DataSource):
    """A source that holds what its user puts into it, targets of any task among others."""

    @abstractmethod
    def load(self, *, indices: bool = True) -> Dataset:
        """Bring the data into memory. indices: whether the targets are indices of classes."""


DATA: Registry[type[DataSource]] = Registry("data set", DataSource)
