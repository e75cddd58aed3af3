"""Rows in one JSON file: how a worker hands its results to the coordinator, which alone writes the store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunus.errors import StoreError
from prunus.store.files import utf8, write_atomically
from prunus.store.schema import TABLES
from prunus.system.reading import read_whole

FORMAT = 1
LARGEST_INTEGER = 2**63 - 1  # of SQLite


def write_result(path: Path, rows: Iterable[Any], token: str = "") -> None:
    """Write rows of any kinds, atomically; a result file is whole or it is not there.

    Numbers that are not finite stand in it as Python writes them, `NaN` and `Infinity`.

    token: of the lease under which they were found.
    """
    rows = list(rows)
    tables = {
        table.name: {
            "columns": table.columns,
            "rows": [_texts(table.values(row)) for row in rows if type(row) is table.row],
        }
        for table in TABLES
    }
    content = {
        "format": FORMAT,
        "token": token,
        "tables": {name: table for name, table in tables.items() if table["rows"]},
    }
    write_atomically(path, json.dumps(content).encode())


def _texts(values: Iterable[Any]) -> list[Any]:
    return [utf8(value) if type(value) is str else value for value in values]


def read_result(path: Path, token: str = "") -> list[Any]:
    """Read what `write_result` wrote under that token.

    Raises `StoreError` for a file that is damaged, of a newer version, or of another token.
    """
    try:
        content = json.loads(read_whole(path), parse_int=_integer)
        if content["format"] > FORMAT:
            raise StoreError(f"{path} was written by a newer prunus", "", "install the newer prunus")
        if content.get("token", "") != token:
            raise StoreError(f"{path} does not count", "its worker came too late", "its trial is run again")
        return [row for table in TABLES if table.name in content["tables"] for row in _rows(table, content["tables"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"The result file {path} is damaged", str(error).split("\n", 1)[0], "delete it; its trial is then run again"
        ) from None


def _integer(text: str) -> int:
    """A whole number that a store can hold."""
    number = int(text)
    if abs(number) > LARGEST_INTEGER:
        raise ValueError(f"{text} is too large a number")
    return number


@cache
def _adapter(row: type[Any]) -> TypeAdapter[list[Any]]:
    """The validator of a table's rows; making one takes longer than using it."""
    return TypeAdapter(list[row])  # type: ignore[valid-type]


def _rows(table: Any, tables: Any) -> list[Any]:
    content = tables[table.name]
    columns = tuple(content["columns"])
    if not table.may_have(columns):
        raise ValueError(f"table {table.name} has other columns")
    records = [dict(zip(columns, values, strict=True)) for values in content["rows"]]
    return _adapter(table.row).validate_json(json.dumps(records), strict=True)
