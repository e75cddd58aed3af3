"""What pydantic found wrong, as one sentence: the key as the user wrote it, what stands there, and why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from prunus.errors import nearest

LONGEST_VALUE = 60
PLAINER = {
    "finite_number": "it is no finite number",
    "invalid-json-value": "it is no text, number, true or false, nor a list or table of these",
    "string_type": "it is no text",
    "tuple_type": "it is no list",
    "model_type": "it is no table",
    "dict_type": "it is no table",
    "too_short": "it is empty",
    "int_type": "it is no whole number",
    "int_parsing": "it is no whole number",
    "int_parsing_size": "it is no whole number",
    "int_from_float": "it is no whole number",
    "float_type": "it is no number",
    "float_parsing": "it is no number",
}
"""Kinds of errors whose own words say less than they could."""


def key_of(location: Sequence[int | str]) -> str:
    """The key as it is written: without the word `settings` of a part, and without what pydantic took values for.

    >>> key_of(("allocation", "settings", "rates", "dict", "conv1", "float")), key_of(("rates", 0))
    ('allocation.rates.conv1', 'rates.0')
    """
    steps = list(location)
    if "settings" in steps:
        at = steps.index("settings")
        steps = steps[:at] + (steps[at + 1 :: 2] or ["settings"])
    return ".".join(str(step) for step in steps)


def why_and_what_to_do(key: str, first: Any, known: Iterable[str], missing: str) -> tuple[str, str]:
    """Why one of pydantic's errors is one, and what to do. key: as the user wrote it. known: keys that could be meant.

    missing: what to do about a key that is missing.
    """
    if first["type"] == "extra_forbidden":
        return f"the key '{key}' is unknown", nearest(str(first["loc"][-1]), known)
    if first["type"] == "missing":
        return f"the key '{key}' is missing", missing
    value = shown(first)
    subject = f"'{key}'{f' is {value}' if value else ''}: " if key else ""
    return f"{subject}{reason(first)}", "correct the value"


def shown(first: Any) -> str:
    """The value that is wrong, or nothing where it is a long one."""
    value = repr(first["input"])
    return value if len(value) <= LONGEST_VALUE else ""


def reason(first: Any) -> str:
    """Why it is wrong."""
    return PLAINER.get(first["type"], str(first["msg"]).removeprefix("Value error, "))


def first_of(error: ValidationError) -> Any:
    """The error that is told. A key that is unknown comes before one that is missing, which it may be, misspelt."""
    errors = error.errors(include_url=False)
    return next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
