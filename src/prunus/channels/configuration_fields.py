"""Fields of a configuration that may have to change with a cut, and what they may become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TypeAlias

import torch
from torch import nn

from prunus.channels.adapting import Attribute, Number, Path, fields
from prunus.channels.pretrained import Library

Shapes: TypeAlias = dict[str, torch.Size]
Pairs: TypeAlias = set[tuple[int, int]]  # numbers before and after

USUAL = 2
"""Ratios of sizes with which floating-point fields are tried, such as a multiplier of widths."""


class CandidateFields:
    """Fields of the configuration of a cut network that equal a number that changed, or may have changed as one did.

    pairs: sizes of tensors, and numbers of modules.
    """

    def __init__(self, library: Library, small: nn.Module, pairs: Pairs) -> None:
        self._library, self._small, self._pairs = library, small, pairs

    @cached_property
    def equal(self) -> list[Attribute]:
        """Fields that equal a changed number."""
        pairs = sorted(self._pairs)
        return [
            _changed(path, value, after) for path, value in self._fields for before, after in pairs if before == value
        ]

    @cached_property
    def options(self) -> list[Attribute]:
        """Fields that were given, with all that they may have become."""
        return _unique([*self.equal, *self._in_ratio()])

    @cached_property
    def not_given(self) -> list[Attribute]:
        """Fields that were left to the class."""
        return _unique(self._not_given())

    def _in_ratio(self) -> Iterator[Attribute]:
        """Fields that may have shrunk as a size did, such as the number of heads, which no tensor has as its size."""
        usual = [ratio for ratio, _ in Counter(after / before for before, after in self._pairs).most_common(USUAL)]
        for path, value in self._fields:
            found: Iterable[float] = ()
            if isinstance(value, int):
                found = sorted(
                    {value * after // before for before, after in self._pairs if value * after % before == 0}
                )
            elif value is not None:
                found = [value * ratio for ratio in usual]
            yield from (_changed(path, value, n) for n in found if 0 < n != value)

    def _not_given(self) -> Iterator[Attribute]:
        """Fields that were left to the class, with the numbers of modules that are named so, and with changed ones."""
        numbers = _named_numbers(self._small)
        given = dict(self._fields)
        open_fields = [path for path, value in given.items() if value is None]
        unknown = [(self._library.attribute, name) for name in numbers if self._library.is_open]
        for path in (*open_fields, *(path for path in unknown if path not in given)):
            of_name = numbers.get(str(path[-1]), set())
            values = sorted(of_name | {after for _, after in self._pairs}) if path in given else sorted(of_name)
            yield from (_changed(path, None, value) for value in values)

    @cached_property
    def _fields(self) -> list[tuple[Path, Number]]:
        """Numbers of the configuration, and what is not given."""
        found = fields(self._small, self._library.attribute)
        return [(path, value) for path, value in found if not str(path[-1]).startswith("_")]


def _changed(path: Path, before: Number, after: float) -> Attribute:
    return Attribute(module="", path=path, before=before, after=after)


def _unique(attributes: Iterable[Attribute]) -> list[Attribute]:
    """Each once; numbers of heads first, which are what shapes tell least of."""
    return sorted(dict.fromkeys(attributes), key=lambda each: "head" not in str(each))


def changed_sizes(before: Shapes, after: Shapes) -> set[tuple[int, int]]:
    """Sizes of the same tensors that differ."""
    both = ((before[name], after[name]) for name in before.keys() & after.keys())
    return {(a, b) for one, other in both for a, b in zip(one, other, strict=False) if a != b}


def changed_numbers(model: nn.Module, small: nn.Module) -> set[tuple[int, int]]:
    """Numbers of attributes before and after: of known layers, and of those that were adapted."""
    modules, pairs = dict(small.named_modules()), set()
    for path, module in model.named_modules():
        ours = vars(modules.get(path, module))
        theirs = vars(module)
        pairs |= {(value, ours[n]) for n, value in theirs.items() if type(value) is int and ours.get(n, value) != value}
    return {(before, after) for before, after in pairs if before > 0 < after}


def _named_numbers(small: nn.Module) -> dict[str, set[int]]:
    """Name -> the numbers that modules have under it."""
    found: dict[str, set[int]] = {}
    for module in small.modules():
        for name, value in vars(module).items():
            if type(value) is int and value > 0 and not name.startswith("_"):
                found.setdefault(name, set()).add(value)
    return found
