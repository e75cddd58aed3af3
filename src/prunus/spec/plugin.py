"""How a named part of a specification becomes a working one."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from prunus.errors import InputError, nearest
from prunus.registry import Registry
from prunus.spec.part import Frozen, Part

P = TypeVar("P", bound=Frozen)


def make(registry: Registry[type[P]], part: Part) -> P:
    """Make the part: look its class up by name and validate the settings, which are the class's fields.

    Everything that plugs in is a frozen class: its fields are its settings, its one method is what it does.
    Raises `InputError` that names the part and the setting.
    """
    kind = registry.get(part.name)
    try:
        return kind.model_validate(part.settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"The {registry.kind} {part.name!r} has no setting {key!r}", "", nearest(key, kind.model_fields)
            ) from None
        raise InputError(
            f"The {registry.kind} {part.name!r} cannot be used with {key} = {first['input']!r}",
            first["msg"].removeprefix("Value error, "),
            "correct the value",
        ) from None


def spelled_out(registry: Registry[type[P]], part: Part) -> Part:
    """The part with every default written out, so that a digest covers them."""
    return Part(name=part.name, settings=make(registry, part).model_dump(mode="json"))
