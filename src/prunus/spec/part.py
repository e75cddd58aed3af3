"""A named part with its settings: the one form in which a specification names what plugs in, and how it is made."""

from __future__ import annotations

import hashlib
import json
import re
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    JsonValue,
    ValidationError,
    model_serializer,
    model_validator,
)

from prunus.errors import InputError, nearest
from prunus.registry import Registry
from prunus.spec._mistakes import first_of, key_of, reason, shown, why_and_what_to_do
from prunus.system.travelling import reference_of


class Frozen(BaseModel):
    """Base of all specifications: immutable, unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = first_of(error)
            why, do = why_and_what_to_do(key_of(first["loc"]), first, type(self).model_fields, "give it")
            raise InputError(f"No {type(self).__name__} can be made of what is given", why, do) from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # so that pydantic goes on without calling it


def _is_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise ValueError(
            "a name is of at most 64 small letters, digits, dots, hyphens and underscores, "
            "and begins with a letter or a digit, since files and folders are called so"
        )
    return text


Name = Annotated[str, AfterValidator(_is_name)]
"""The name of a study or a recipe."""


class Part(Frozen):
    """A part by name, with settings that the part itself validates.

    In TOML either a string, or a table whose `name` is taken out and whose other keys are the settings. In Python the
    name may be a function or a class of one's own, which then stands there as `file.py:function`.

    Attributes:
        name: as it is registered.
        settings: its keys and values.

    Example:
        >>> Part.model_validate("magnitude") == Part(name="magnitude")
        True
        >>> Part.model_validate({"name": "magnitude", "norm": 2}).settings
        {'norm': 2}
    """

    name: str
    settings: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name_or_table(cls, value: Any) -> Any:
        if callable(value):
            return {"name": reference_of(value)}
        if isinstance(value, dict) and callable(value.get("name")):
            value = {**value, "name": reference_of(value["name"])}
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "settings" not in value:
            name = {"name": value["name"]} if "name" in value else {}
            return {**name, "settings": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _to_name_or_table(self) -> Any:
        return {"name": self.name, **self.settings} if self.settings else self.name

    def __hash__(self) -> int:
        return hash(canonical_json(self.model_dump(mode="json")))

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}({settings})" if settings else self.name


def part_of(value: Any) -> Part:
    """A part from its name, or a table of its name and settings. Raises `InputError` for anything else.

    >>> part_of("magnitude") == part_of({"name": "magnitude"}) == Part(name="magnitude")
    True
    """
    try:
        return Part.model_validate(value)
    except ValidationError as error:
        first = first_of(error)
        why, do = why_and_what_to_do(key_of(first["loc"]), first, (), "give a name, or a table with 'name' in it")
        raise InputError(f"{value!r} is no part", why, do) from None


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, the first 16 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


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
