"""A named part with its settings: the one form in which a specification names what plugs in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, model_serializer, model_validator


class Frozen(BaseModel):
    """Base of all specifications: immutable, unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
        if isinstance(value, dict) and "name" in value and "settings" not in value:
            return {"name": value["name"], "settings": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _to_name_or_table(self) -> Any:
        return {"name": self.name, **self.settings} if self.settings else self.name

    def __hash__(self) -> int:
        return hash(canonical_json(self.model_dump(mode="json")))

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}({settings})" if settings else self.name


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, the first 16 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
