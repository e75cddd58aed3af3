"""A write-ahead log that is read without SQLite gives what SQLite gives, whatever it holds; and it never runs away."""

import shutil
import sqlite3
import struct
from contextlib import suppress

import numpy as np
import pytest

from prunus.store.write_ahead_log import FRAME, HEADER, checkpointed, has_log

PAGE = 512
CHANGES = {
    "grows": ["INSERT INTO t SELECT number + 1000, 'y' || text FROM t", "INSERT INTO t VALUES (9999, 'last')"],
    "shrinks": ["DELETE FROM t WHERE number > 9", "PRAGMA incremental_vacuum"],
    "shrinks and grows": ["DELETE FROM t", "PRAGMA incremental_vacuum", "INSERT INTO t VALUES (7, 'seven')"],
    "changes": ["UPDATE t SET text = 'z' || text", "BEGIN; UPDATE t SET text = 'never'; ROLLBACK"],
    "begins anew": ["UPDATE t SET text = 'a'", "PRAGMA wal_checkpoint(RESTART)", "UPDATE t SET text = 'b'"],
    "nothing": [],
}


@pytest.fixture(params=CHANGES)
def logged(request, tmp_path):
    """A database and its log while a program has both open."""
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA page_size={PAGE}; PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, "x" * 99) for number in range(100)])
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA cache_size=1")
    for statement in CHANGES[request.param]:
        connection.executescript(statement)
    log = path.with_name("a.sqlite-wal")
    yield path.read_bytes(), log.read_bytes() if log.exists() else b""
    connection.close()


def rows_of(connection):
    try:
        return connection.execute("SELECT number, text FROM t ORDER BY number").fetchall()
    except sqlite3.DatabaseError:
        return "no database"
    finally:
        connection.close()


def by_sqlite(folder, database, log):
    shutil.rmtree(folder / "b", ignore_errors=True)
    (folder / "b").mkdir()
    (folder / "b/b.sqlite").write_bytes(database)
    (folder / "b/b.sqlite-wal").write_bytes(log)
    return rows_of(sqlite3.connect(folder / "b/b.sqlite"))


def by_us(database, log):
    connection = sqlite3.connect(":memory:")
    with suppress(ValueError):
        connection.deserialize(checkpointed(database, log))
        return rows_of(connection)
    connection.close()
    return "no database"


def test_what_was_committed_is_there(logged, tmp_path):
    database, log = logged
    assert has_log(database)
    assert by_us(database, log) == by_sqlite(tmp_path, database, log)


def test_a_changed_log_gives_what_sqlite_gives(logged, tmp_path):
    """Any byte of its headers or pages changed, and any length of it."""
    database, log = logged
    draw = np.random.default_rng(0)
    for _ in range(60 if log else 0):
        changed = bytearray(log[: draw.integers(len(log) // 2, len(log) + 1)])
        if draw.random() < 0.7:
            changed[draw.choice([draw.integers(HEADER.size), draw.integers(len(changed))])] ^= 1 << draw.integers(8)
        assert by_us(database, bytes(changed)) == by_sqlite(tmp_path, database, bytes(changed))


@pytest.mark.parametrize("log", [b"", bytes(32), bytes(99_999), b"\x37\x7f\x06\x82" * 999, b"\xff" * 4096])
def test_what_is_no_log_changes_nothing(log):
    database = bytes(18) + b"\2\2" + bytes(492)
    assert checkpointed(database, log) == bytes(18) + b"\1\1" + bytes(492)


def sums(content, one=0, other=0):
    for first, second in struct.iter_unpack("<II", content):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return one, other


def test_a_log_of_a_few_bytes_that_speaks_of_terabytes():
    begin = struct.pack(">6I", 0x377F0682, 3007000, 512, 0, 1, 2)
    header = begin + struct.pack(">II", *sums(begin))
    frame = struct.pack(">II", 1, 2**32 - 1)
    page = bytes(512)
    total = sums(frame + page, *sums(begin))
    log = header + frame + struct.pack(">4I", 1, 2, *total) + page
    assert len(log) == HEADER.size + FRAME.size + 512
    with pytest.raises(ValueError, match="4,294,967,295 pages"):
        checkpointed(bytes(512), log)
