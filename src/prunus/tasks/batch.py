"""Batches as a split yields them, and as a network and its task take them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
import torch
from torch import Tensor
from torch.utils._pytree import tree_map, tree_map_only

from prunus.data.dataset import Dataset, Split
from prunus.data.load import load_data
from prunus.data.stream import Stream
from prunus.spec.part import Part
from prunus.tasks.task import Task

Batch: TypeAlias = tuple[Any, Any]
"""Inputs and targets, both trees of tensors."""

CPU = torch.device("cpu")
FIRST = 32
"""So many samples are looked at before a training."""


def as_taken(dataset: Dataset, split: Split | Stream, batch: Any, device: torch.device, task: Task) -> Batch:
    """A batch as its split yields it, as a network takes it on the device: (inputs, targets)."""
    if isinstance(split, Split) and isinstance(batch[0], Tensor) and isinstance(batch[1], Tensor):
        inputs, targets = task.batch((batch[0].to(device), batch[1].to(device)))
    else:
        tensors = tree_map_only(Tensor, lambda tensor: tensor.to(device), tree_map(_tensor, batch))
        inputs, targets = task.batch(tensors)
    return (dataset.prepare(inputs) if isinstance(split, Split) else inputs), targets


def load_for(part: Part, task: Task) -> Dataset:
    """The data that a part names, with the targets of a task. Raises as `load_data` does."""
    return task.named(load_data(part, indices=task.indices))


def first_batch(dataset: Dataset, split: Split | Stream, task: Task) -> Batch:
    """The first samples of a split, as a network takes them on the CPU."""
    batch = next(split.in_order(FIRST)) if isinstance(split, Split) else split.first(FIRST, task.collate())
    return as_taken(dataset, split, batch, CPU, task)


def example_inputs(dataset: Dataset, task: Task, split: Split | Stream | None = None) -> Any:
    """The first two inputs of a split, of the test data if none is given, as a network takes them, on the CPU."""
    return task.narrowed(first_batch(dataset, split or dataset.test, task), 2)[0]


def shape_of(inputs: Any) -> Any:
    """The shape of one input without the batch; of several, a tree of shapes."""
    return tree_map(lambda leaf: tuple(leaf.shape[1:]) if isinstance(leaf, Tensor) else leaf, inputs)


def _tensor(leaf: Any) -> Any:
    return torch.from_numpy(leaf) if isinstance(leaf, numpy.ndarray) else leaf
