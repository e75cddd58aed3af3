"""The SQLite file: opening, migrating, writing and reading rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from prunus.errors import DamagedStoreError, DiskFullError, StoreError, StoreLockedError
from prunus.store._lock import holders
from prunus.store.files import utf8, write_atomically
from prunus.store.opening import open_copy, open_to_write
from prunus.store.schema import APPLICATION_ID, BY_ROW, MIGRATIONS, TABLES, VERSION, deviation, foreign

Row = TypeVar("Row")


class Store:
    """A study's rows. An acknowledged write survives a power cut: rollback journal, `synchronous=FULL`.

    Errors: `StoreError` for a file that is damaged, of another program or of a newer version; `DiskFullError` when
    the disk is full. Whatever was written before stays.
    """

    FILE_NAME = "study.sqlite"

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        path = folder / self.FILE_NAME
        if not create:
            _expect(path)
        self._begin(path, open_to_write, create)

    @classmethod
    def copy(cls, folder: Path) -> Store:
        """What a store held at its last commit, in memory and to be read alone; nothing in its folder is touched."""
        _expect(path := folder / cls.FILE_NAME)
        store = cls.__new__(cls)
        store._begin(path, open_copy, create=False)
        return store

    def _begin(self, path: Path, opener: Callable[[Path], sqlite3.Connection], create: bool) -> None:
        self.path = path
        with self._translated():
            self._connect(opener)
        try:
            with self._translated():
                self._open(create)
        except BaseException:
            self._connection.close()
            raise

    def _connect(self, opener: Callable[[Path], sqlite3.Connection]) -> None:
        self._connection = opener(self.path)
        try:
            self._connection.execute("PRAGMA journal_mode=DELETE")
            self._connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; nothing is written by it."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none does."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._commit()
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        """Commit; where somebody goes on reading the file, put a new one in its place, which nobody holds yet.

        Another program that shows the store may never end its look at it. It keeps the file that it has opened, as it
        was; whoever opens the store anew sees the new one. There is one writer, so that nothing can be lost by this.
        """
        try:
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:
                raise
            content = self._connection.serialize()  # with what is not committed yet
            self._connection.execute("ROLLBACK")
            self._connection.close()
            try:
                write_atomically(self.path, content)
            finally:
                self._connect(open_to_write)

    def put(self, rows: Iterable[Any]) -> None:
        """Insert rows, replacing those of equal key. Call it inside `transaction`."""
        for row in rows:
            table = BY_ROW[type(row)]
            places = ", ".join("?" * len(table.columns))
            values = [utf8(value) if type(value) is str else value for value in table.values(row)]
            self._connection.execute(f"INSERT OR REPLACE INTO {table.name} VALUES ({places})", values)  # noqa: S608

    def delete(self, kind: type[Any], **where: object) -> None:
        """Remove the rows of a table whose columns have these values. Call it inside `transaction`."""
        condition, values = _condition(where)
        self._connection.execute(f"DELETE FROM {BY_ROW[kind].name}{condition}", values)  # noqa: S608

    def rows(self, kind: type[Row], **where: object) -> list[Row]:
        """The rows of a table whose columns have these values, in the order of its key."""
        table = BY_ROW[kind]
        condition, values = _condition(where)
        order = f" ORDER BY {', '.join(table.key)}" if table.key else ""
        query = f"SELECT {', '.join(table.columns)} FROM {table.name}{condition}{order}"  # noqa: S608
        with self._translated(), closing(self._connection.execute(query, values)) as cursor:
            return [table.row_of(values) for values in cursor]

    def check(self) -> None:
        """Raise `DamagedStoreError` where pages or rows do not hold together, though each may be readable."""
        with self._translated():
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise DamagedStoreError(self.path, str(found[0] if found else "nothing").replace("\n", " "))

    def _open(self, create: bool) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if empty and create:
            with self.transaction():
                for table in TABLES:
                    self._connection.execute(table.create())
                self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                self._connection.execute(f"PRAGMA user_version={VERSION}")
            return
        if empty:
            why = "no study was begun in it, or what was in it is lost"
            raise StoreError(f"{self.path} is empty", why, "run the study, or restore the file from a copy")
        if application != APPLICATION_ID:
            raise StoreError(f"{self.path} is not a study's store", "it was written by another program", "move it away")
        if version > VERSION:
            raise StoreError(
                f"{self.path} was written by a newer prunus",
                f"its store has version {version}, this prunus knows up to {VERSION}",
                "install the newer prunus; nothing was changed",
            )
        if version < 1:
            raise StoreError(f"{self.path} is damaged", f"no store has version {version}", "restore it from a copy")
        if why := foreign(self._connection):
            raise StoreError(f"{self.path} is damaged", why, "restore it from a copy")
        for step in range(version, VERSION):
            with self.transaction():
                MIGRATIONS[step](self._connection)
                self._connection.execute(f"PRAGMA user_version={step + 1}")
        if why := deviation(self._connection):
            raise DamagedStoreError(self.path, why)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into one clear sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise DiskFullError(self.path) from None
            if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreLockedError(self.path, holders(self.path)) from None
            if "decode" in str(error):  # what was text is none any more
                raise DamagedStoreError(self.path, str(error)) from None
            raise StoreError(f"{self.path} cannot be used", str(error), "check the disk and its permissions") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's own message may quote what is no text
            raise DamagedStoreError(self.path, str(error)) from None


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's code; None where Python itself gave up, as on text that is no UTF-8."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code


def _expect(path: Path) -> None:
    try:
        there = path.is_file()
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path} cannot be read", why, "check the path and its permissions") from None
    if not there:
        raise StoreError(
            f"There is no study in {path.parent}",
            f"{path} does not exist",
            "give the folder of a study, such as studies/digits",
        )


def _condition(where: dict[str, object]) -> tuple[str, list[object]]:
    condition = " AND ".join(f'"{column}" IS ?' for column in where)
    return (f" WHERE {condition}" if where else ""), list(where.values())
