"""Numbers in a user's own modules that explain the sizes their forward writes, such as `num_heads`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from torch import nn

from prunus.graph import Node
from prunus.surgery.rewrite import REWRITES

Numbers: TypeAlias = dict[str, dict[int, int]]  # module -> number before -> number after


def changed_numbers(before: tuple[Node, ...], after: tuple[Node, ...]) -> list[Numbers]:
    """For each module, the written sizes that change.

    First those that change wherever they are written; then also those that elsewhere stay as they are, for the same
    number may count two things.
    """
    seen: dict[str, dict[int, set[int]]] = {}
    for old, new in zip(before, after, strict=True):
        for was, now in _pairs(old.args, new.args) if old.kind in REWRITES else ():
            seen.setdefault(old.module, {}).setdefault(was, set()).add(now)
    always = {module: _single(numbers) for module, numbers in seen.items()}
    partly = {module: _single({n: to - {n} for n, to in numbers.items()}) for module, numbers in seen.items()}
    return [always] if always == partly else [always, partly]


def _single(numbers: dict[int, set[int]]) -> dict[int, int]:
    return {was: next(iter(now)) for was, now in numbers.items() if len(now) == 1 and now != {was}}


def _pairs(old: Any, new: Any, sizes: bool = False) -> Iterator[tuple[int, int]]:
    """Numbers at the same place; one size for all parts stands for each of them.

    A lone number that stays may be a dimension: it is no evidence. In a list it is a size.
    """
    if type(old) is int and type(new) is int:
        if sizes or old != new:
            yield old, new
    elif type(old) is int and isinstance(new, list):
        yield from ((old, part) for part in new[:-1] if type(part) is int)
    elif isinstance(old, (tuple, list)) and isinstance(new, (tuple, list)):
        for a, b in zip(old, new, strict=False):
            yield from _pairs(a, b, isinstance(old, list))


def adapt_attributes(model: nn.Module, numbers: Numbers) -> list[str]:
    """Set every integer of these modules that equals a changed number; returns what was set, as `module.name`."""
    modules = dict(model.named_modules())
    changed = []
    for path, mapping in numbers.items():
        module = modules.get(path)
        for name, value in list(vars(module).items()) if module is not None else []:
            adapted = _adapted(value, mapping)
            if not name.startswith("_") and adapted is not value:
                setattr(module, name, adapted)
                changed.append(f"{path}.{name}".strip("."))
    return changed


def _adapted(value: Any, mapping: dict[int, int]) -> Any:
    """The value with its numbers exchanged; the same object if there are none."""
    if type(value) is int:
        return mapping.get(value, value)
    if type(value) in (tuple, list):
        items = [_adapted(item, mapping) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    return value
