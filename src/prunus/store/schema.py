"""The tables, made from the row classes, and the steps from each earlier version to the newest."""

from __future__ import annotations

import math
import re
import sqlite3
import types
import typing
from collections.abc import Callable
from contextlib import closing
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from prunus.store import rows

APPLICATION_ID = 0x5052554E  # "PRUN"
VERSION = 4


@dataclass(frozen=True)
class TableSchema:
    """A table: its rows' class and what is unique in it."""

    name: str
    row: type[Any]
    key: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(field.name for field in fields(self.row))

    def may_have(self, columns: tuple[str, ...]) -> bool:
        """Whether rows with these columns can be made: all of them, or all but some that were added with a default."""
        lacking = [field for field in fields(self.row) if field.name not in columns]
        named = (name for name in self.columns if name in columns)
        return tuple(named) == columns and not any(field.default is MISSING for field in lacking)

    @cached_property
    def values(self) -> Callable[[Any], tuple[Any, ...]]:
        """Takes a row apart, in the order of the columns (`astuple` copies deeply, ten times as slowly)."""
        return attrgetter(*self.columns)

    @cached_property
    def types(self) -> tuple[tuple[type[Any], ...], ...]:
        """What the values of each column may be, in Python."""
        hints = typing.get_type_hints(self.row)
        return tuple(_python_types(hints[name]) for name in self.columns)

    @cached_property
    def _booleans(self) -> tuple[int, ...]:
        return tuple(place for place, types in enumerate(self.types) if types == (bool,))

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(place for place, types in enumerate(self.types) if types == (float,))

    def row_of(self, values: tuple[Any, ...]) -> Any:
        """The row of a record: SQLite has no booleans, which are stored as 0 and 1, and no NaN, which is NULL there."""
        if self._booleans or None in values:
            changed = list(values)
            for place in self._booleans:
                changed[place] = bool(changed[place])
            for place in self._numbers:
                changed[place] = math.nan if changed[place] is None else changed[place]
            return self.row(*changed)
        return self.row(*values)

    def fits(self, values: tuple[Any, ...]) -> bool:
        """Whether a record holds what the row's fields are declared to be; a damaged one may not."""
        return all(
            type(value) in types or (types == (bool,) and value in (0, 1)) or (types == (float,) and value is None)
            for value, types in zip(values, self.types, strict=True)
        )

    def create(self) -> str:
        """The SQL statement that makes the table."""
        columns = ", ".join(
            f'"{name}" {_sql_type(types)}' for name, types in zip(self.columns, self.types, strict=True)
        )
        key = f", PRIMARY KEY ({', '.join(self.key)})" if self.key else ""
        return f"CREATE TABLE {self.name} ({columns}{key}) STRICT{', WITHOUT ROWID' if self.key else ''}"


TABLES = (
    TableSchema("trials", rows.TrialRow, ("trial",)),
    TableSchema("epochs", rows.EpochRow, ("trial", "epoch")),
    TableSchema("costs", rows.CostRow, ("trial",)),
    TableSchema("layers", rows.LayerRow, ("trial", "position")),
    TableSchema("classes", rows.ClassRow, ("trial", "class_index")),
    TableSchema("metrics", rows.MetricRow, ("trial", "name")),
    TableSchema("files", rows.FileRow, ("trial", "format")),
    TableSchema("latencies", rows.LatencyRow, ("runtime", "batch_size", "threads", "trial", "round")),
    TableSchema("memories", rows.MemoryRow, ("trial", "runtime", "batch_size")),
    TableSchema("problems", rows.ProblemRow, ()),
    TableSchema("blocks", rows.BlockRow, ("block",)),
    TableSchema("sessions", rows.SessionRow, ("session",)),
)
BY_ROW = {table.row: table for table in TABLES}

WORDS_OF_MIGRATIONS = frozenset({"DEFAULT", "NULL", "-", "."})
"""What a column that is added later may need beside the words of its table: a default that is a number."""


ADDED = {
    "files": "'{}'",
    "metric": "CAST(test_correct AS REAL) / test_total",
    "weight_bits": "NULL",
    "activation_bits": "NULL",
}
"""What a column that was added later holds in rows that had none.

Version 1 had numbers that were never NULL, so never NaN, and its sessions named no opened files. Version 2 knew
classification alone: its epochs counted answers, and there was no table of other metrics. Version 3 did not store the
bits of layers.
"""
ADDED_TABLES = {"metrics": 3}
"""Tables that were added later, and the version that has them."""


def _take_over(connection: sqlite3.Connection) -> None:
    """Write all rows into tables of the newest version."""
    for table in TABLES:
        columns = columns_in(connection, table)
        if not columns:
            connection.execute(table.create())
            continue
        connection.execute(f"ALTER TABLE {table.name} RENAME TO earlier")
        connection.execute(table.create())
        connection.execute(f"INSERT INTO {table.name} SELECT {', '.join(columns)} FROM earlier")  # noqa: S608
        connection.execute("DROP TABLE earlier")


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = dict.fromkeys((1, 2, 3), _take_over)
"""From version n to n + 1, each run in one transaction."""


def deviation(connection: sqlite3.Connection) -> str:
    """How a store's tables differ from what they must be; empty if they do not."""
    return next((why for table in TABLES if (why := deviation_of(connection, table))), "")


def deviation_of(connection: sqlite3.Connection, table: TableSchema, *, earlier: bool = False) -> str:
    """How one table differs from what it must be; empty if it does not.

    earlier: it may be that of an earlier version, without what was added since and with numbers that are never NULL.
    """
    found, wanted = _description(connection, table.name), _expected()[table.name]
    if earlier:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not found[1] and version < ADDED_TABLES.get(table.name, 0):
            return ""
        found, wanted = _as_ever(found), _as_ever(wanted)
    if found != wanted:
        return f"its table {table.name!r} has other columns" if found[1] else f"it has no table {table.name!r}"
    written = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table.name,))
    sql = written.fetchone()
    if sql is None:  # its name is written in another way
        return f"it has no table {table.name!r}"
    if not _words(sql[0]) <= _words(table.create()) | WORDS_OF_MIGRATIONS:
        return f"its table {table.name!r} computes something"
    return ""


def columns_in(connection: sqlite3.Connection, table: TableSchema) -> tuple[str, ...]:
    """What gives each column of the table in a store of this or an earlier version: its name, or what it holds there.

    Empty where the version has no such table.
    """
    known = {name for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table.name,))}
    return tuple(f'"{name}"' if name in known else ADDED[name] for name in table.columns) if known else ()


def foreign(connection: sqlite3.Connection) -> str:
    """What a store holds beside tables; empty if it is nothing.

    Views, triggers, indexes and virtual tables would compute at every read or write what a stranger likes.
    """
    for kind, name, written in connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if kind != "table":
            return f"it holds the {kind} {name!r}"
        if str(written).split()[:2] != ["CREATE", "TABLE"]:  # as SQLite writes it, whatever was typed
            return f"it holds the virtual table {name!r}"
    return ""


def _words(written: str) -> set[str]:
    """The words and signs of a statement but brackets, commas and numbers: an expression in it stands out."""
    return set(re.findall(r'[A-Za-z_]\w*|[^\s\w"(),]', written.upper()))


@cache
def _expected() -> dict[str, Any]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in TABLES:
            connection.execute(table.create())
        return {table.name: _description(connection, table.name) for table in TABLES}


def _description(connection: sqlite3.Connection, name: str) -> tuple[Any, Any]:
    """Whether it is a table that holds columns to their types, and its columns; numbers may be NULL or not."""
    kind = "SELECT type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    columns = "SELECT name, type, \"notnull\" OR type = 'REAL', pk, hidden FROM pragma_table_xinfo(?)"
    return connection.execute(kind, (name,)).fetchall(), connection.execute(columns, (name,)).fetchall()


def _as_ever(description: tuple[Any, Any]) -> tuple[Any, Any]:
    """What of a table's description is the same in all versions."""
    kind, columns = description
    return kind, [(name, form, key, hidden) for name, form, _, key, hidden in columns if name not in ADDED]


def _python_types(hint: Any) -> tuple[type[Any], ...]:
    """What a field's value may be: one type, and None where it may be left out."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(str if typing.get_origin(option) is typing.Literal else option for option in options)


def _sql_type(kinds: tuple[type[Any], ...]) -> str:
    """SQLite's type for a field's; fields that may be None are nullable, and numbers, for NaN is NULL."""
    kind = next(kind for kind in kinds if kind is not type(None))
    name = {str: "TEXT", int: "INTEGER", bool: "INTEGER", float: "REAL"}[kind]
    return name if type(None) in kinds or kind is float else f"{name} NOT NULL"
