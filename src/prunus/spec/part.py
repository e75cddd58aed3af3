"""A named part with its settings: the one form in which a specification names what plugs in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_serializer, model_validator

from prunus.errors import InputError
from prunus.spec.mistakes import first_of, key_of, why_and_what_to_do


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


class Part(Frozen):
    """A part by name, with settings that the part itself validates.

    In TOML either a string, or a table whose `name` is taken out and whose other keys are the settings.

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
