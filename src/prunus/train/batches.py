"""Batches of a data set, as a network takes them: in the order of a seed for training, in their own for tests."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from prunus.data import Dataset, Split
from prunus.data.stream import Stream, size_of
from prunus.errors import InputError
from prunus.spec import Training, make
from prunus.tasks import Classification, Task
from prunus.tasks.batch import Batch, as_taken
from prunus.train.augment import AUGMENTATIONS
from prunus.train.seeds import generator

BATCH_SIZE = 200  # what stays in a core's cache is tested up to twice as fast
CLASSIFICATION = Classification()


def training_batches(
    dataset: Dataset,
    training: Training,
    seed: int,
    epoch: int,
    device: torch.device,
    task: Task = CLASSIFICATION,
) -> Iterator[Batch]:
    """The batches of an epoch in the seed's order.

    Where batches have several inputs, a last one of a single input is left out: BatchNorm cannot take it.
    """
    augmentations = [make(AUGMENTATIONS, part) for part in training.augment]
    draws = generator(seed, "augment", epoch)
    for inputs, targets in _shuffled(dataset, training.batch_size, seed, epoch, device, task):
        if augmentations and not (isinstance(inputs, Tensor) and inputs.dim() == 4):
            raise InputError(
                "training.augment cannot be used with these data",
                "it changes images, one tensor (samples, channels, height, width)",
                "leave it out, and have the data set augment its samples",
            )
        for augmentation in augmentations:
            inputs = augmentation.apply(inputs, draws)
        if training.channels_last and isinstance(inputs, Tensor) and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        yield inputs, targets


def batches(
    dataset: Dataset,
    split: Split | Stream,
    device: torch.device,
    size: int = BATCH_SIZE,
    task: Task = CLASSIFICATION,
) -> Iterator[Batch]:
    """The batches of a split in its own order."""
    for batch in split.in_order(size) if isinstance(split, Split) else split.in_order(size, task.collate()):
        yield as_taken(dataset, split, batch, device, task)


def _shuffled(dataset: Dataset, size: int, seed: int, epoch: int, device: torch.device, task: Task) -> Iterator[Batch]:
    split, order_of = dataset.train, generator(seed, "order", epoch)
    if isinstance(split, Stream):
        largest = 0
        for batch in split.shuffled(size, order_of, epoch, task.collate()):
            largest = max(largest, found := size_of(batch))
            if found != 1 or largest == 1:
                yield as_taken(dataset, split, batch, device, task)
        return
    order = torch.randperm(len(split), generator=order_of)
    for chosen in torch.split(order, size):
        if len(chosen) == 1 < min(size, len(order)):
            continue
        part = split.take(chosen)
        yield as_taken(dataset, split, (part.inputs, part.targets), device, task)
