"""The edge of the house: arrays as users have them, and what a data set must be before anything trusts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import torch
from torch.utils._pytree import tree_flatten, tree_leaves

from prunus.data.dataset import ARRAYS, Dataset, Split, times
from prunus.data.stream import Stream
from prunus.errors import InputError


def check(dataset: Dataset, *, indices: bool = True) -> Dataset:
    """Return the data set if it keeps its contract; else raise `InputError` that names it and what is wrong first.

    indices: whether its targets are indices of classes; what other targets are is for their task to say.
    """
    for why, do in _problems(dataset, indices):
        raise InputError(f"The data set {dataset.name!r} cannot be used", why, do)
    return dataset


def _problems(dataset: Dataset, indices: bool) -> Iterator[tuple[str, str]]:
    splits = {"training": dataset.train, "test": dataset.test}
    if dataset.validation is not None:
        splits["validation"] = dataset.validation
    for name, split in splits.items():
        if not isinstance(split, Split | Stream):
            yield f"its {name} data are no prunus.data.Split but {type(split).__name__}", "make one of them"
    if not all(isinstance(name, str) for name in dataset.classes):
        yield f"the names of its classes are {dataset.classes}", "make each of them a string"
    count, streamed = len(dataset.classes), isinstance(dataset.train, Stream)
    if len(set(dataset.classes)) != count or (indices and count < 2 and not (streamed and not count)):
        yield f"it needs two classes or more with different names, and has {dataset.classes}", "name the classes"
    for name, split in splits.items():
        if isinstance(split, Stream):
            continue  # it is looked at where it is known what puts its samples together
        yield from _problems_of_types(name, split)
        yield from _problems_of_shapes(name, split)
        if indices:
            yield from _problems_of_indices(name, split, count)
        yield from _problems_of_values(name, split)
    if isinstance(dataset.train, Split) and isinstance(dataset.test, Split):
        yield from _problems_of_unlike(dataset.train, dataset.test)
    yield from _problems_of_scale(dataset)


def _problems_of_types(name: str, split: Split) -> Iterator[tuple[str, str]]:
    for what, tree in (("inputs", split.inputs), ("targets", split.targets)):
        for tensor in tree_leaves(tree) if isinstance(tree, tuple | dict) else [tree]:
            if not isinstance(tensor, torch.Tensor) or tensor.device.type != "cpu":
                where = tensor.device if isinstance(tensor, torch.Tensor) else type(tensor).__name__
                yield f"the {name} {what} are no tensor in main memory but {where}", "return a torch tensor on the CPU"
    for tensor in tree_leaves(split.inputs):
        if tensor.dtype not in (torch.float32, torch.uint8, torch.int64, torch.bool):
            yield (
                f"the {name} inputs are {tensor.dtype}",
                "make them float32, uint8 for pixels from 0 to 255, or int64 for indices such as those of tokens",
            )


def _problems_of_shapes(name: str, split: Split) -> Iterator[tuple[str, str]]:
    leaves = tree_leaves(split.inputs)
    for tensor in leaves:
        alone = len(leaves) == 1
        if tensor.dim() < 1 + alone or tensor.numel() == 0:
            yield (
                f"the {name} inputs have the shape {times(tensor.shape)}",
                "give (samples, ...) with at least one sample",
            )
    for what, tree in (("inputs", leaves), ("targets", tree_leaves(split.targets))):
        for tensor in tree:
            if tensor.dim() < 1 or len(tensor) != len(leaves[0]):
                yield (
                    f"the {name} {what} have the shape {times(tensor.shape)} for {len(leaves[0])} samples",
                    "give one target per sample" if what == "targets" else "give as many of each",
                )


def _problems_of_indices(name: str, split: Split, classes: int) -> Iterator[tuple[str, str]]:
    """Whether each target is the index of a class."""
    targets = split.targets
    if not isinstance(targets, torch.Tensor) or targets.dtype != torch.int64:
        kind = targets.dtype if isinstance(targets, torch.Tensor) else type(targets).__name__
        yield f"the {name} targets are {kind}", "make them int64 indices of classes, or name another task"
    if targets.dim() != 1:
        yield (
            f"the {name} targets have the shape {times(targets.shape)} for {len(split)} samples",
            "give one class index per sample, or name another task",
        )
    wrong = torch.nonzero((targets < 0) | (targets >= classes))
    if len(wrong):
        index = int(wrong[0])
        yield (
            f"{name} target {int(targets[index])} (sample {index}) is none of its {classes} classes",
            f"targets go from 0 to {classes - 1}",
        )


def _problems_of_values(name: str, split: Split) -> Iterator[tuple[str, str]]:
    for what, tree in (("inputs", split.inputs), ("targets", split.targets)):
        for tensor in tree_leaves(tree):
            if tensor.is_floating_point():
                finite = torch.isfinite(tensor).flatten(1).all(1) if tensor.dim() > 1 else torch.isfinite(tensor)
                if not finite.all():
                    index = int(torch.nonzero(~finite)[0])
                    yield f"the {name} {what} hold NaN or infinity (first in sample {index})", "remove or replace them"


def _problems_of_unlike(train: Split, test: Split) -> Iterator[tuple[str, str]]:
    ours, theirs = tree_flatten(train.inputs), tree_flatten(test.inputs)
    if ours[1] != theirs[1]:
        yield "training and test inputs are not of the same parts", "make them equal"
    for one, other in zip(ours[0], theirs[0], strict=True):
        if one.shape[1:] != other.shape[1:]:
            yield (
                f"training samples have the shape {times(one.shape[1:])}, test samples {times(other.shape[1:])}",
                "make them equal",
            )


def _problems_of_scale(dataset: Dataset) -> Iterator[tuple[str, str]]:
    if (dataset.mean is None) != (dataset.std is None):
        yield "mean and std belong together, and one is missing", "give both or none"
    if dataset.mean is None or dataset.std is None:
        return
    if not isinstance(dataset.train, Split) or not isinstance(dataset.train.inputs, torch.Tensor):
        yield "mean and std are of one tensor in memory", "leave them out, and prepare the inputs yourself"
        return
    channels = dataset.input_shape[0]
    if not len(dataset.mean) == len(dataset.std) == channels:
        yield (
            f"mean has {len(dataset.mean)} and std {len(dataset.std)} numbers for {channels} channels",
            "give one per channel",
        )
    if not all(value > 0 for value in dataset.std):
        yield f"std is {dataset.std}", "every number in it must be above 0"


MOST_SHOWN = 10


def dataset_of(
    name: str, arrays: tuple[Any, Any, Any, Any], classes: tuple[str, ...] | None, *, indices: bool = True
) -> Dataset:
    """A data set of (x_train, y_train, x_test, y_test), each an array, a tensor or nested lists of numbers.

    Floating point becomes float32, whole numbers int64; where targets are indices of classes, (n, 1) become (n,).
    Where they are not, several inputs or targets are a dictionary or a tuple of such. Without names the classes are
    called by their numbers. Raises `InputError` that names the array.
    """
    kinds = (_inputs, _targets) if indices else (_numbers, _numbers)
    x_train, y_train, x_test, y_test = (
        _each(values, f"{what} of {name}", kinds[place % 2])
        for place, (what, values) in enumerate(zip(ARRAYS, arrays, strict=True))
    )
    train, test = Split(x_train, y_train), Split(x_test, y_test)
    if classes is None:
        classes = _numbered(name, (train, test)) if indices else ()
    return Dataset(name, train, test, classes)


def _each(values: Any, name: str, of: Callable[[Any, str], torch.Tensor]) -> Any:
    """Tensors in place of arrays, in a dictionary or a tuple of arrays, too."""
    if isinstance(values, dict):
        return {key: _each(value, f"{key!r} in {name}", of) for key, value in values.items()}
    if isinstance(values, tuple) and all(isinstance(each, numpy.ndarray | torch.Tensor) for each in values):
        return tuple(_each(value, f"{place} in {name}", of) for place, value in enumerate(values))
    return of(values, f"The array {name}")


def _numbers(values: Any, name: str) -> torch.Tensor:
    """Floating point as float32, pixels as they are, other whole numbers as int64."""
    array = _array(values, name)
    if array.dtype.kind in "iu" and array.dtype != numpy.uint8:
        return torch.from_numpy(array.astype(numpy.int64))
    return torch.from_numpy(array) if array.dtype.kind == "b" else _inputs(array, name)


def _numbered(name: str, splits: tuple[Split, Split]) -> tuple[str, ...]:
    """Classes called by their numbers, from 0 on. Raises `InputError` for labels that leave out a number."""
    labels: list[int] = numpy.unique(torch.cat([split.targets.reshape(-1) for split in splits]).numpy()).tolist()
    if labels != list(range(len(labels))):
        shown = ", ".join(map(str, labels[:MOST_SHOWN])) + (", ..." if len(labels) > MOST_SHOWN else "")
        raise InputError(
            f"The targets of {name} are {shown}",
            "they are indices of classes, from 0 on, and a number without a single sample would be a class to predict",
            "number the classes 0, 1, 2, ... (numpy.unique(y, return_inverse=True)), or name all of them (classes)",
        )
    return tuple(map(str, labels))


def _inputs(values: Any, name: str) -> torch.Tensor:
    array = _array(values, name)
    if array.dtype != numpy.uint8:
        if array.dtype.kind != "f":
            raise InputError(f"{name} has the type {array.dtype}", "", "make it float32, or uint8 for pixels 0 to 255")
        with numpy.errstate(
            over="ignore", invalid="ignore"
        ):  # what becomes infinite is refused with all that is not finite
            array = array.astype(numpy.float32)
    return torch.from_numpy(array)


def _targets(values: Any, name: str) -> torch.Tensor:
    array = _array(values, name)
    if array.dtype.kind not in "iu":
        raise InputError(
            f"{name} has the type {array.dtype}",
            "targets are whole numbers",
            "give indices of classes, or name another task",
        )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return torch.from_numpy(array.astype(numpy.int64))


def _array(values: Any, name: str) -> numpy.ndarray[Any, Any]:
    """A writable contiguous array of its own in the machine's byte order, so that nothing changes it from outside."""
    try:
        array = numpy.array(values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values, order="C")
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name} is no array", str(error), "give an array, a tensor or lists of equal length"
        ) from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} has the type {array.dtype}", "it does not hold numbers", "give numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
