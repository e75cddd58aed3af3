"""Rolling back without SQLite gives what SQLite gives, whatever the journal holds; and it never runs away."""

import sqlite3
import struct
from contextlib import suppress

import numpy as np
import pytest

from prunus.store.journal import MAGIC, names_another_file, rolled_back

PAGE = 512


def content(connection):
    return connection.execute("SELECT number, text FROM t ORDER BY number").fetchall()


@pytest.fixture(params=["grows", "shrinks", "changes"])
def interrupted(request, tmp_path):
    """Rows before a transaction, and the files as they are in its middle."""
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size={PAGE}")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, "x" * 99) for number in range(200)])
    before = content(connection)
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN")
    if request.param == "grows":
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, "y" * 99) for number in range(200, 500)])
    elif request.param == "shrinks":
        connection.execute("DELETE FROM t WHERE number > 9")
        connection.execute("PRAGMA incremental_vacuum").fetchall()
    else:
        connection.execute("UPDATE t SET text = 'z' || text")
    content(connection)
    yield before, path.read_bytes(), path.with_name("a.sqlite-journal").read_bytes()
    connection.execute("ROLLBACK")
    connection.close()


def rows_of(database):
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database)
    try:
        return content(connection)
    finally:
        connection.close()


def by_sqlite(folder, database, journal):
    (folder / "b.sqlite").write_bytes(database)
    (folder / "b.sqlite-journal").write_bytes(journal)
    connection = sqlite3.connect(folder / "b.sqlite")
    with suppress(sqlite3.DatabaseError):  # what it put back may be no database
        content(connection)
    connection.close()
    path = folder / "b.sqlite"
    return path.read_bytes() if path.stat().st_size < 1 << 20 else None  # pages that there never were


def test_the_rows_before_a_transaction_come_back(interrupted):
    before, database, journal = interrupted
    assert rows_of(rolled_back(database, journal)) == before


def test_a_changed_journal_puts_back_what_sqlite_puts_back(interrupted, tmp_path):
    """Any byte of its headers or pages changed, and any length of it."""
    _, database, journal = interrupted
    draw = np.random.default_rng(0)
    compared = 0
    for _ in range(150):
        changed = bytearray(journal[: draw.integers(len(journal) // 2, len(journal) + 1)])
        if draw.random() < 0.7:
            changed[draw.choice([draw.integers(8, 24), draw.integers(len(changed))])] ^= 1 << draw.integers(8)
        theirs = by_sqlite(tmp_path, database, bytes(changed))
        try:
            ours = rolled_back(database, bytes(changed))
        except ValueError:
            continue
        if theirs is not None:
            assert ours == theirs
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("journal", [b"", bytes(512), bytes(99_999), MAGIC, MAGIC * 999, b"\xff" * 4096])
def test_what_is_no_journal_changes_nothing(journal):
    assert rolled_back(b"database", journal) == b"database"


def test_a_journal_of_a_few_bytes_that_speaks_of_terabytes():
    header = MAGIC + struct.pack(">IIIII", 1, 0, 2**32 - 1, 512, 65536)
    with pytest.raises(ValueError, match="4,294,967,295 pages"):
        rolled_back(b"database", header.ljust(512, b"\0"))


def test_a_journal_with_a_name_at_its_end_is_told_from_one_without():
    def ended(name):
        return struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + MAGIC

    assert names_another_file(bytes(512) + ended(b"/home/me/thesis.tex"))
    assert not names_another_file(bytes(512) + ended(b""))
    assert not names_another_file(bytes(512))
    assert not names_another_file(MAGIC)
