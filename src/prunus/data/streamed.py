"""Data sets of torch Datasets and DataLoaders as users return them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunus.data.dataset import Dataset
from prunus.data.stream import Stream, is_streamed
from prunus.errors import InputError

PARTS = {2: ("train", "test"), 3: ("train", "validation", "test")}
CALLED = {"train": "training", "validation": "validation", "test": "test"}


def dataset_of_streams(name: str, result: Any) -> Dataset | None:
    """The data set of (train, test), (train, validation, test), or a dictionary of these; None for anything else.

    The names of its classes are the Dataset's own `classes`, as those of torchvision have them.
    """
    if isinstance(result, Mapping):
        parts = dict(result)
    elif isinstance(result, tuple) and len(result) in PARTS:
        parts = dict(zip(PARTS[len(result)], result, strict=True))
    else:
        return None
    if not parts or not all(is_streamed(part) for part in parts.values()):
        return None
    if unknown := set(parts) - set(CALLED) or {"train", "test"} - set(parts):
        raise InputError(
            f"The data of {name} have the parts {', '.join(map(str, parts))}",
            f"{sorted(map(str, unknown))[0]!r} is not known, or missing",
            "call them train, validation and test; a validation part may be left out",
        )
    for key, part in parts.items():
        if iter_once(part):
            raise InputError(
                f"The {CALLED[key]} data of {name} are a {type(part).__name__}",
                "it can be gone through once only, and every epoch goes through it",
                "give a Dataset, an IterableDataset or a DataLoader",
            )
    streams = {key: Stream(part, CALLED[key]) for key, part in parts.items()}
    classes = _classes(parts["train"])
    return Dataset(name, streams["train"], streams["test"], classes, validation=streams.get("validation"))


def iter_once(source: Any) -> bool:
    """Whether it is an iterator, which has no beginning to go back to."""
    return hasattr(source, "__next__") and hasattr(source, "__iter__")


def _classes(source: Any) -> tuple[str, ...]:
    """The names that a Dataset has for its classes, also behind loaders and subsets."""
    while source is not None:
        found = getattr(source, "classes", None)
        if isinstance(found, list | tuple) and found:
            return tuple(map(str, found))
        source = getattr(source, "dataset", None)
    return ()
