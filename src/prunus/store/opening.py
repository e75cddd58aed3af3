"""How a store is opened: by its one writer, through SQLite; by whoever only looks, as a copy in memory.

SQLite takes up files beside its database (-journal, -wal, -shm), and even to read one it may roll back, write and
delete. A folder may come from a stranger, be another user's, or lie on a disk that cannot be written to. So SQLite
never sees a store that is only looked at: its bytes are read under SQLite's own lock, rolled back or brought up to its
log here, and the copy is given to SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from prunus.errors import DamagedStoreError, StoreError
from prunus.store._lock import shared_lock
from prunus.store.files import refuse_link
from prunus.store.journal import names_another_file, rolled_back
from prunus.store.write_ahead_log import checkpointed, has_log, same_log
from prunus.system.memory import half_of_memory
from prunus.system.reading import opened, read_open, read_whole

JOURNAL, WAL, SHARED_MEMORY = "-journal", "-wal", "-shm"
LONGEST_PATH_BYTES = 511 - len(JOURNAL)  # of SQLite
COPIES = 4
"""How often the content is in memory at once: as it was read, rolled back, changed by its log, and in SQLite."""
MOST_TRIES = 20
"""How often a store is read again whose write-ahead log another program began anew meanwhile."""

SQLITE_DBCONFIG_DEFENSIVE = 1010

PATIENCE_SECONDS = 5.0
"""How long a writer waits for whoever reads the store at the same time."""


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a store for its one writer, which recovers what a power cut has left half written.

    Raises `StoreError` where SQLite would write to or delete a file outside of the folder.
    """
    refuse_link(path, path.parent)
    for end in (JOURNAL, WAL, SHARED_MEMORY):
        _refuse_what_is_no_file(_beside(path, end))
    _read_journal(path)
    if (length := len(os.fsencode(path.resolve()))) > LONGEST_PATH_BYTES:
        why = f"it has {length} bytes, and SQLite opens files of at most {LONGEST_PATH_BYTES}"
        raise StoreError(f"The path {path} is too long", why, "choose a shorter --out")
    connection = sqlite3.connect(path.absolute(), timeout=PATIENCE_SECONDS, isolation_level=None)
    _harden(connection)
    if sys.version_info >= (3, 12):
        connection.setconfig(SQLITE_DBCONFIG_DEFENSIVE, True)
    return connection


def open_copy(path: Path) -> sqlite3.Connection:
    """Open a copy of a store's last commit, in memory. Nothing in its folder is written, made or deleted.

    Raises `StoreError` for what cannot be read, and for a journal that names another file.
    """
    content = _last_commit(path)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _harden(connection)
        connection.execute("PRAGMA temp_store=MEMORY")
        if content:  # what holds nothing is an empty database
            connection.deserialize(content)
    except (MemoryError, OverflowError):
        connection.close()
        raise StoreError(f"{path} cannot be read", "it is too large for the memory", "use a larger machine") from None
    return connection


def _harden(connection: sqlite3.Connection) -> None:
    """Have SQLite trust nothing that a database says of itself: functions in its schema, sizes in its pages."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _refuse_what_is_no_file(companion: Path) -> None:
    try:
        mode = companion.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "no file"
        raise StoreError(f"{companion} is {what}", "SQLite writes to what lies beside a store", "remove it")


def _last_commit(path: Path) -> bytes:
    refuse_link(path, path.parent)
    try:
        with opened(path) as file, shared_lock(file, path):
            database = _read_database(file, path)
            for _ in range(MOST_TRIES):
                if not has_log(database):
                    return database
                log = _read_beside(_beside(path, WAL), path)
                database = _read_database(file, path)
                if has_log(database) and same_log(log, now := _read_beside(_beside(path, WAL), path)):
                    return checkpointed(database, now)
        why = "another program keeps a write-ahead log for it and is writing all the time"
        raise StoreError(f"{path} cannot be read", why, "try again later")
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path} cannot be read", why, "check the file and its permissions") from None
    except ValueError as error:
        raise DamagedStoreError(path, str(error)) from None


def _read_database(file: BinaryIO, path: Path) -> bytes:
    """What is in the database itself, without a transaction that was left half written."""
    return rolled_back(read_open(file, path, half_of_memory() // COPIES), _read_journal(path))


def _read_journal(path: Path) -> bytes:
    """What lies beside a store as its journal; empty where nothing does. Raises `StoreError` for what is none."""
    journal = _beside(path, JOURNAL)
    content = _read_beside(journal, path)
    if names_another_file(content):
        raise StoreError(
            f"{journal} names another file",
            "SQLite would delete that one, and no journal of a study names any",
            "do not trust this folder; if it is your own, move that journal away",
        )
    return content


def _read_beside(companion: Path, path: Path) -> bytes:
    refuse_link(companion, path.parent)
    try:
        return read_whole(companion, half_of_memory() // COPIES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{companion} cannot be read", why, "check the file and its permissions") from None
