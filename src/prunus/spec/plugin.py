"""How a named part of a specification becomes a working one."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from prunus.errors import InputError, nearest
from prunus.registry import Registry
from prunus.spec.mistakes import first_of, reason, shown
from prunus.spec.part import Frozen, Part

P = TypeVar("P", bound=Frozen)


def make(registry: Registry[type[P]], part: Part) -> P:
    """Make the part: look its class up by name and validate the settings, which are the class's fields.

    Everything that plugs in is a frozen class: its fields are its settings, its one method is what it does.
    Raises `InputError` that names the part and the setting.
    """
    kind = registry.get(part.name)
    for key, value in part.settings.items():
        if isinstance(value, bool) and key in kind.model_fields and _counts(kind.model_fields[key].annotation):
            raise InputError(
                f"The {registry.kind} {part.name!r} cannot be used with {key} = {value}",
                "it is a number that is asked for, and this is true or false",
                "correct the value",
            )
    try:
        return kind.model_validate(part.settings)
    except ValidationError as error:
        first = first_of(error)
        key = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"The {registry.kind} {part.name!r} has no setting {key!r}", "", nearest(key, kind.model_fields)
            ) from None
        value = f" = {shown(first)}" if shown(first) else ""
        raise InputError(
            f"The {registry.kind} {part.name!r} cannot be used {f'with {key}{value}' if key else 'so'}",
            reason(first),
            "correct the value",
        ) from None


def _counts(annotation: Any) -> bool:
    """Whether a setting is a number and nothing else, for which pydantic would take true as 1.

    >>> _counts(int | None), _counts(Literal[1, 2]), _counts(bool), _counts(float | bool)
    (True, True, False, False)
    """
    if get_origin(annotation) in (Union, UnionType):
        return all(_counts(one) for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Annotated:
        return _counts(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return all(type(value) in (int, float) for value in get_args(annotation))
    return annotation in (int, float)


def spelled_out(registry: Registry[type[P]], part: Part) -> Part:
    """The part with every default written out, so that a digest covers them."""
    return Part(name=part.name, settings=make(registry, part).model_dump(mode="json"))
