"""The tables, made from the row classes, and the steps from each earlier version to the newest."""

from __future__ import annotations

import sqlite3
import types
import typing
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from prunus.store import rows

APPLICATION_ID = 0x5052554E  # "PRUN"
VERSION = 1


@dataclass(frozen=True)
class Table:
    """A table: its rows' class and what is unique in it."""

    name: str
    row: type[Any]
    key: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(field.name for field in fields(self.row))

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

    def row_of(self, values: tuple[Any, ...]) -> Any:
        """The row of a record; SQLite has no booleans, and the columns that are declared so get their type back."""
        if self._booleans:
            changed = list(values)
            for place in self._booleans:
                changed[place] = bool(changed[place])
            return self.row(*changed)
        return self.row(*values)

    def fits(self, values: tuple[Any, ...]) -> bool:
        """Whether a record holds what the row's fields are declared to be; a damaged one may not."""
        return all(
            type(value) in types or (types == (bool,) and value in (0, 1))
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
    Table("trials", rows.TrialRow, ("trial",)),
    Table("epochs", rows.EpochRow, ("trial", "epoch")),
    Table("costs", rows.CostRow, ("trial",)),
    Table("layers", rows.LayerRow, ("trial", "position")),
    Table("classes", rows.ClassRow, ("trial", "class_index")),
    Table("files", rows.FileRow, ("trial", "format")),
    Table("latencies", rows.LatencyRow, ("runtime", "batch_size", "threads", "trial", "round")),
    Table("memories", rows.MemoryRow, ("trial", "runtime", "batch_size")),
    Table("problems", rows.ProblemRow, ()),
    Table("blocks", rows.BlockRow, ("block",)),
    Table("sessions", rows.SessionRow, ("session",)),
)
BY_ROW = {table.row: table for table in TABLES}

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""From version n to n + 1, each run in one transaction."""


def deviation(connection: sqlite3.Connection) -> str:
    """How a store's tables differ from what they must be; empty if they do not."""
    return next((why for table in TABLES if (why := deviation_of(connection, table))), "")


def deviation_of(connection: sqlite3.Connection, table: Table) -> str:
    """How one table differs from what it must be; empty if it does not."""
    if (found := _description(connection, table.name)) != _expected()[table.name]:
        return f"its table {table.name!r} has other columns" if found[1] else f"it has no table {table.name!r}"
    return ""


def foreign(connection: sqlite3.Connection) -> str:
    """What a store holds beside tables; empty if it is nothing.

    Views, triggers and indexes would compute at every read or write what a stranger likes.
    """
    own = "SELECT type, name FROM sqlite_master WHERE type != 'table' AND sql IS NOT NULL"
    return next((f"it holds the {kind} {name!r}" for kind, name in connection.execute(own)), "")


@cache
def _expected() -> dict[str, Any]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in TABLES:
            connection.execute(table.create())
        return {table.name: _description(connection, table.name) for table in TABLES}


def _description(connection: sqlite3.Connection, name: str) -> tuple[Any, Any]:
    """Whether it is a table that holds columns to their types, and its columns."""
    kind = "SELECT type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    columns = 'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)'
    return connection.execute(kind, (name,)).fetchall(), connection.execute(columns, (name,)).fetchall()


def _python_types(hint: Any) -> tuple[type[Any], ...]:
    """What a field's value may be: one type, and None where it may be left out."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(str if typing.get_origin(option) is typing.Literal else option for option in options)


def _sql_type(kinds: tuple[type[Any], ...]) -> str:
    """SQLite's type for a field's; fields that may be None are nullable."""
    kind = next(kind for kind in kinds if kind is not type(None))
    name = {str: "TEXT", int: "INTEGER", bool: "INTEGER", float: "REAL"}[kind]
    return name if type(None) in kinds else f"{name} NOT NULL"
