"""From arrays as users have them to a split."""

from __future__ import annotations

from typing import Any

import numpy
import torch

from prunus.data.dataset import Dataset, Split
from prunus.errors import InputError


def dataset_of(name: str, arrays: tuple[Any, Any, Any, Any], classes: tuple[str, ...] | None) -> Dataset:
    """A data set of (x_train, y_train, x_test, y_test), each an array, a tensor or nested lists of numbers.

    Floating point becomes float32, whole-number targets int64; targets (n, 1) become (n,). Without names the classes
    are called by their numbers. Raises `InputError` that names the array.
    """
    x_train, y_train, x_test, y_test = arrays
    train = Split(_inputs(x_train, f"The array x_train of {name}"), _targets(y_train, f"The array y_train of {name}"))
    test = Split(_inputs(x_test, f"The array x_test of {name}"), _targets(y_test, f"The array y_test of {name}"))
    if classes is None:
        highest = max((int(split.targets.max()) for split in (train, test) if split.targets.numel()), default=0)
        classes = tuple(str(index) for index in range(highest + 1))
    return Dataset(name, train, test, classes)


def _inputs(values: Any, name: str) -> torch.Tensor:
    array = _array(values, name)
    if array.dtype != numpy.uint8:
        if array.dtype.kind != "f":
            raise InputError(f"{name} has the type {array.dtype}", "", "make it float32, or uint8 for pixels 0 to 255")
        array = array.astype(numpy.float32)
    return torch.from_numpy(array)


def _targets(values: Any, name: str) -> torch.Tensor:
    array = _array(values, name)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} has the type {array.dtype}", "targets are whole numbers", "give indices of classes")
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
