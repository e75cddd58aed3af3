"""What can still be read of a damaged store: all rows before and after the damage, table by table, and what is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prunus.errors import StoreError
from prunus.store.missing import STAGE
from prunus.store.rows import ProblemRow
from prunus.store.schema import APPLICATION_ID, TABLES, Table, deviation_of, foreign


def salvage(path: Path) -> tuple[dict[type[Any], list[Any]], list[ProblemRow]]:
    """The rows that can be read, by their class, and a problem per table of which some cannot. Nothing is written.

    Raises `StoreError` where nothing can be read at all, or where the file holds what is no store's.
    """
    rows: dict[type[Any], list[Any]] = {}
    problems: list[ProblemRow] = []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA writable_schema=ON")  # has a file opened that was cut short; none is written
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise StoreError(f"{path} is damaged", "it does not begin as a store does", "restore it from a copy")
            if found := foreign(connection):
                raise StoreError(f"{path} is damaged", found, "restore it from a copy")
            for table in TABLES:
                rows[table.row], why = _rows(connection, table)
                if why:
                    left = f"{len(rows[table.row]):,} rows of its table {table.name!r} are left"
                    what = f"The store is damaged ({why}), and {left}"
                    problems.append(ProblemRow(None, STAGE, "damaged", what))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path} is damaged", f"nothing in it can be read: {error}", "restore it from a copy"
        ) from None
    return rows, problems


def _rows(connection: sqlite3.Connection, table: Table) -> tuple[list[Any], str]:
    """From the first row to the damage, and from the last one back to it; and what the damage is."""
    if why := deviation_of(connection, table):
        return [], why
    found: dict[tuple[Any, ...], Any] = {}
    for direction in ("ASC", "DESC"):
        try:
            for key, values in _records(connection, table, direction):
                if table.fits(values):
                    found.setdefault(key, table.row_of(values))
                else:
                    why = "a record holds what it cannot"
            break
        except (sqlite3.Error, OverflowError) as error:
            why = str(error)
    return [found[key] for key in sorted(found)], why


def _records(
    connection: sqlite3.Connection, table: Table, direction: str
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Key and values of every record."""
    key = table.key or ("rowid",)
    names = ", ".join(f'"{name}"' for name in (*key, *table.columns))
    order = ", ".join(f'"{name}" {direction}' for name in key)
    for record in connection.execute(f"SELECT {names} FROM {table.name} ORDER BY {order}"):  # noqa: S608
        yield record[: len(key)], record[len(key) :]
