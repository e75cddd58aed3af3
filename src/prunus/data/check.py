"""The edge of the house: what a data set must be before anything trusts it."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from prunus.data.dataset import Dataset, Split, times
from prunus.errors import InputError


def check(dataset: Dataset) -> Dataset:
    """Return the data set if it keeps its contract; else raise `InputError` that names it and what is wrong first."""
    for why, do in _problems(dataset):
        raise InputError(f"The data set {dataset.name!r} cannot be used", why, do)
    return dataset


def _problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for name, split in (("training", dataset.train), ("test", dataset.test)):
        if not isinstance(split, Split):
            yield f"its {name} data are no prunus.data.Split but {type(split).__name__}", "make one of them"
    count = len(dataset.classes)
    if not all(isinstance(name, str) for name in dataset.classes):
        yield f"the names of its classes are {dataset.classes}", "make each of them a string"
    if count < 2 or len(set(dataset.classes)) != count:
        yield f"it needs two classes or more with different names, and has {dataset.classes}", "name the classes"
    for name, split in (("training", dataset.train), ("test", dataset.test)):
        yield from _problems_of_types(name, split)
        yield from _problems_of_shapes(name, split)
        yield from _problems_of_values(name, split, count)
    train, test = dataset.input_shape, tuple(dataset.test.inputs.shape[1:])
    if train != test:
        yield f"training samples have the shape {times(train)}, test samples {times(test)}", "make them equal"
    yield from _problems_of_scale(dataset)


def _problems_of_types(name: str, split: Split) -> Iterator[tuple[str, str]]:
    for what, tensor in (("inputs", split.inputs), ("targets", split.targets)):
        if not isinstance(tensor, torch.Tensor) or tensor.device.type != "cpu":
            where = tensor.device if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            yield f"the {name} {what} are no tensor in main memory but {where}", "return a torch tensor on the CPU"
    if split.inputs.dtype not in (torch.float32, torch.uint8):
        yield f"the {name} inputs are {split.inputs.dtype}", "make them float32, or uint8 for pixels from 0 to 255"
    if split.targets.dtype != torch.int64:
        yield f"the {name} targets are {split.targets.dtype}", "make them int64 indices of classes"


def _problems_of_shapes(name: str, split: Split) -> Iterator[tuple[str, str]]:
    inputs, targets = split.inputs, split.targets
    if inputs.dim() < 2 or inputs.numel() == 0:
        yield f"the {name} inputs have the shape {times(inputs.shape)}", "give (samples, ...) with at least one sample"
    if tuple(targets.shape) != (len(inputs),):
        yield (
            f"the {name} targets have the shape {times(targets.shape)} for {len(inputs)} samples",
            "give one class index per sample",
        )


def _problems_of_values(name: str, split: Split, classes: int) -> Iterator[tuple[str, str]]:
    wrong = torch.nonzero((split.targets < 0) | (split.targets >= classes))
    if len(wrong):
        index = int(wrong[0])
        yield (
            f"{name} target {int(split.targets[index])} (sample {index}) is none of its {classes} classes",
            f"targets go from 0 to {classes - 1}",
        )
    if split.inputs.is_floating_point():
        finite = torch.isfinite(split.inputs).flatten(1).all(1)
        if not finite.all():
            index = int(torch.nonzero(~finite)[0])
            yield f"the {name} inputs hold NaN or infinity (first in sample {index})", "remove or replace them"


def _problems_of_scale(dataset: Dataset) -> Iterator[tuple[str, str]]:
    if (dataset.mean is None) != (dataset.std is None):
        yield "mean and std belong together, and one is missing", "give both or none"
    if dataset.mean is None or dataset.std is None:
        return
    channels = dataset.input_shape[0]
    if not len(dataset.mean) == len(dataset.std) == channels:
        yield (
            f"mean has {len(dataset.mean)} and std {len(dataset.std)} numbers for {channels} channels",
            "give one per channel",
        )
    if not all(value > 0 for value in dataset.std):
        yield f"std is {dataset.std}", "every number in it must be above 0"
