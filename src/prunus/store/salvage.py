"""What can still be read of a damaged store: all rows before and after the damage, table by table, and what is lost;
and a new store in its place, for a run that takes in the results that lie beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from prunus.errors import StoreError
from prunus.store.database import Store
from prunus.store.opening import JOURNAL, open_copy
from prunus.store.rows import STORE_STAGE, ProblemRow, SessionRow
from prunus.store.schema import APPLICATION_ID, TABLES, TableSchema, columns_in, deviation_of, foreign


def salvage(path: Path) -> tuple[dict[type[Any], list[Any]], list[ProblemRow]]:
    """The rows that can be read, by their class, and a problem per table of which some cannot. Nothing is written.

    Raises `StoreError` where nothing can be read at all, or where the file holds what is no store's.
    """
    rows: dict[type[Any], list[Any]] = {}
    problems: list[ProblemRow] = []
    try:
        with closing(open_copy(path)) as connection:
            connection.execute("PRAGMA writable_schema=ON")  # has a copy opened that was cut short; none is written
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise StoreError(f"{path} is damaged", "it does not begin as a store does", "restore it from a copy")
            if found := foreign(connection):
                raise StoreError(f"{path} is damaged", found, "restore it from a copy")
            for table in TABLES:
                rows[table.row], why = _rows(connection, table)
                if why:
                    left = f"{len(rows[table.row]):,} rows of its table {table.name!r} are left"
                    what = f"The store is damaged ({why}), and {left}"
                    problems.append(ProblemRow(None, STORE_STAGE, "damaged", what))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path} is damaged", f"nothing in it can be read: {error}", "restore it from a copy"
        ) from None
    return rows, problems


def _rows(connection: sqlite3.Connection, table: TableSchema) -> tuple[list[Any], str]:
    """From the first row to the damage, and from the last one back to it; and what the damage is."""
    if why := deviation_of(connection, table, earlier=True):
        return [], why
    columns = columns_in(connection, table)
    found: dict[tuple[Any, ...], Any] = {}
    for direction in ("ASC", "DESC") if columns else ():
        try:
            for key, values in _records(connection, table, columns, direction):
                if table.fits(values):
                    found.setdefault(key, table.row_of(values))
                else:
                    why = "a record holds what it cannot"
            break
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            why = str(error)
    return [found[key] for key in sorted(found)], why


def _records(
    connection: sqlite3.Connection, table: TableSchema, columns: tuple[str, ...], direction: str
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Key and values of every record."""
    key = table.key or ("rowid",)
    names = ", ".join((*(f'"{name}"' for name in key), *columns))
    order = ", ".join(f'"{name}" {direction}' for name in key)
    for record in connection.execute(f"SELECT {names} FROM {table.name} ORDER BY {order}"):  # noqa: S608
        yield record[: len(key)], record[len(key) :]


def rebuild_store(folder: Path) -> str:
    """Set the store aside, and begin a new one with the sessions that can be read in it. Returns that in words.

    Trials are not copied: each result file is validated and taken in by the run that follows. Call it under the
    folder's lock. Raises `StoreError` where there is no store.
    """
    path = folder / Store.FILE_NAME
    if not path.exists():
        raise StoreError(f"There is no store in {folder}", f"{path} does not exist", "leave out --rebuild-store")
    sessions: list[SessionRow] = []
    with suppress(StoreError):  # nothing in it can be read
        sessions = salvage(path)[0][SessionRow]
    aside = _free(path)
    for end in ("", JOURNAL):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    with Store(folder, create=True) as store, store.transaction():
        store.put(sessions)
    conditions = (
        f"{len(sessions)} of its runs could be read"
        if sessions
        else "no run could be read in it, so that whether code, data or versions have changed since cannot be told"
    )
    return (
        f"The store was set aside as {aside.name}; {conditions}. Results of trials are taken from their files; trials "
        "without one, and those that had failed, are run; measurements are done again; how long trials took is lost."
    )


def _free(path: Path) -> Path:
    """A name beside it that nothing has."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old{number}")).exists():
        number += 1
    return aside
