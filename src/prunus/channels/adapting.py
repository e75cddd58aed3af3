"""Integers that a user's modules keep beside their tensors, such as `num_heads`: found, and exchanged."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import torch
from pydantic import Field
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.spec.part import Frozen

Numbers: TypeAlias = Mapping[str, Mapping[int, int]]  # module -> number before -> number after
Path: TypeAlias = tuple[str | int, ...]
Number: TypeAlias = int | float | None

DEPTH = 4
"""Containers within each other in which integers are looked for: `module.config.text_config.sizes[0]`."""

OPAQUE = (nn.Module, Tensor, type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, torch.dtype, str)
"""What keeps no sizes of the module that holds it."""

OF_TORCH = frozenset(vars(nn.Module()))


class Attribute(Frozen):
    """A number that a module keeps, itself or in a list, a dictionary or a plain object, and what it becomes.

    path: name of the module's attribute, then where the number is within it. before: None where a configuration left
    the number to its class, or has no such field. Only a configuration has other numbers than integers.
    """

    module: str
    path: tuple[str | int, ...] = Field(min_length=1)
    before: Number
    after: int | float = Field(ge=0)

    def __str__(self) -> str:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{self.module}{steps}".lstrip(".")


def adapt(model: nn.Module, attributes: Sequence[Attribute]) -> nn.Module:
    """The model itself, with its integers exchanged. Raises `InputError` where it has no such integers."""
    modules = dict(model.named_modules())
    for attribute in attributes:
        name, *within = attribute.path
        if attribute.module not in modules or _held(modules, attribute) != attribute.before:
            raise InputError(
                f"The model has no number '{attribute}' that is {attribute.before}",
                "its cut was made for another model",
                "build the model as it was",
            )
        held = modules[attribute.module].__dict__
        held[str(name)] = _exchanged(held[str(name)], within, attribute.after)
    return model


def _exchanged(value: Any, path: Sequence[str | int], number: float) -> Any:
    """The value with one number in it exchanged: a new one where it can't be changed."""
    if not path:
        return number
    step, rest = path[0], path[1:]
    if isinstance(value, tuple):
        items = list(value)
        items[int(step)] = _exchanged(items[int(step)], rest, number)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    place: Any = value if isinstance(value, (list, dict)) else vars(value)
    if isinstance(value, dict) and _is_frozen(value):
        return type(value)({**value, step: _exchanged(copy.deepcopy(value.get(step)), rest, number)})
    place[step] = _exchanged(place[step], rest, number) if rest else number
    return value


def _is_frozen(value: dict[Any, Any]) -> bool:
    """Whether it refuses to be changed, as tables of settings do."""
    try:
        for key, item in value.items():
            value[key] = item
    except Exception:  # such classes refuse in their own ways
        return True
    return False


def integers(module: nn.Module, depth: int) -> Iterator[tuple[Path, int]]:
    """All integers that a module keeps within so many containers, and where; not those of modules below it."""
    seen: set[int] = set()
    for name, value in vars(module).items():
        if name not in OF_TORCH:
            found = _within(value, (name,), depth, seen)
            yield from ((path, number) for path, number in found if isinstance(number, int))


def fields(module: nn.Module, name: str) -> Iterator[tuple[Path, Number]]:
    """The numbers that one of a module's attributes is or keeps, and what is None in it."""
    if name not in OF_TORCH and name in vars(module):
        yield from _within(vars(module)[name], (name,), DEPTH, set())


def _within(value: Any, path: Path, depth: int, seen: set[int]) -> Iterator[tuple[Path, Number]]:
    if type(value) in (int, float) or value is None:
        yield path, value
    elif depth > 0 and id(value) not in seen and not isinstance(value, OPAQUE) and not _may_be_shared(value):
        if not isinstance(value, tuple):  # which is replaced where it is, whoever has the very same
            seen.add(id(value))
        for step, item in _items(value):
            yield from _within(item, (*path, step), depth - 1, seen)


def _may_be_shared(value: Any) -> bool:
    """Whether a copy of the model may hold the very same object as the model itself, which must not change."""
    return hasattr(type(value), "__deepcopy__")


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, (tuple, list)):
        yield from enumerate(value)
    elif isinstance(value, dict):
        yield from ((key, item) for key, item in value.items() if type(key) in (str, int))
    else:
        yield from getattr(value, "__dict__", {}).items()


def candidates(model: nn.Module, numbers: Numbers, far: bool, factors: bool = False) -> list[Attribute]:
    """Integers that equal a changed number of their module, each once, in order of the modules.

    far: also those in plain objects, such as a configuration, and those of the modules around.
    factors: those that a changed number is a product of, with another one that is there, such as heads and their size.
    """
    modules, found, shared = dict(model.named_modules()), [], set()
    for path, mapping in numbers.items():
        holders = [holder for holder in ((path, *_around(path)) if far else (path,)) if holder in modules]
        there = [
            (holder, place, n) for holder in holders for place, n in integers(modules[holder], DEPTH if far else 1)
        ]
        wanted = _factors(mapping, {value for _, _, value in there}) if factors else mapping
        for holder, place, value in there:
            key = _owner(modules[holder], place)
            if value in wanted and key not in shared and (far or not _in_object(modules[holder], place)):
                shared.add(key)
                found.append(Attribute(module=holder, path=place, before=value, after=wanted[value]))
    return found


def _factors(numbers: Mapping[int, int], there: set[int]) -> dict[int, int]:
    """Factors of changed numbers that change as these do, if the other factor is there, too.

    >>> _factors({32: 16}, {4, 8, 5})
    {4: 2, 8: 4}
    """
    return {
        value: value * after // before
        for before, after in numbers.items()
        for value in sorted(there)
        if 1 < value < before and before % value == 0 and before // value in there and value * after % before == 0
    }


def unchanged_in(cut: nn.Module, attributes: Sequence[Attribute]) -> list[Attribute]:
    """The attributes that are in a network as they were before it was cut."""
    modules = dict(cut.named_modules())
    return [each for each in attributes if _held(modules, each) == each.before]


def _held(modules: Mapping[str, nn.Module], attribute: Attribute) -> Number:
    module = modules.get(attribute.module)
    return None if module is None else dict(fields(module, str(attribute.path[0]))).get(attribute.path)


def _around(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path


def _owner(module: nn.Module, path: Path) -> tuple[int, Path]:
    """The innermost thing around the integer that can be changed, and where it is in there: modules share objects."""
    value: Any = module
    owner, since = value, 0
    for place, step in enumerate(path[:-1], 1):
        inside: Any = value if isinstance(value, (tuple, list, dict)) else vars(value)
        value = inside[step]
        if not isinstance(value, tuple):
            owner, since = value, place
    return id(owner), path[since:]


def _in_object(module: nn.Module, path: Path) -> bool:
    return len(path) > 1 and not isinstance(vars(module)[str(path[0])], (tuple, list, dict))
