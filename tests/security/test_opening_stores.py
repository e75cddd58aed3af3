"""Whoever looks at a stranger's study touches nothing outside of it, and in it nothing but the report's files."""

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

import pytest

from prunus.errors import StoreError
from prunus.report import build_report
from prunus.spec import load_study
from prunus.store import EpochRow, Store, TrialRow, read_study
from prunus.store.journal import MAGIC
from prunus.sweep.run import run_study
from small_study import STUDY, rows_without_times


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study that was run without training."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(STUDY.replace("epochs = 5", "epochs = 0"))
    run_study(load_study(folder / "small.toml"), folder / "out")
    return folder / "out"


@pytest.fixture
def gift(study, tmp_path):
    """What a stranger sends."""
    shutil.copytree(study, tmp_path / "gift")
    return tmp_path / "gift"


@pytest.fixture
def mine(tmp_path):
    """A file that nobody may touch."""
    path = tmp_path / "thesis.tex"
    path.write_text("years of work")
    return path


def files_of(folder):
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.is_symlink()}


def journal_that_names(path):
    """A hot journal whose super-journal is that file; SQLite would delete it."""
    name = str(path).encode()
    header = MAGIC + struct.pack(">IIIII", 0, 1, 1, 4096, 512)
    tail = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + MAGIC
    return header.ljust(512, b"\0") + tail


def run(folder):
    return run_study(read_study(folder).study, folder)


def own_run(folder):
    """As the owner of an equal study does, who has never looked into the folder."""
    run_study(load_study("digits"), folder)


@pytest.mark.parametrize("look", [read_study, build_report, run, own_run, Store])
def test_a_journal_that_names_a_file_is_refused_and_the_file_stays(look, gift, mine):
    (gift / "study.sqlite-journal").write_bytes(journal_that_names(mine))
    with pytest.raises(StoreError, match=r"study\.sqlite-journal names another file"):
        look(gift)
    assert mine.read_text() == "years of work"


@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("look", [run, own_run, Store])
def test_links_beside_the_store_are_not_written_through(look, end, gift, mine):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    (gift / f"study.sqlite{end}").symlink_to(mine)
    with pytest.raises(StoreError, match=f"study.sqlite{end} is a link"):
        look(gift)
    assert mine.read_text() == "years of work"


@pytest.mark.parametrize("end", ["", "-journal", "-wal", "-shm"])
def test_who_looks_does_not_wait_for_a_pipe(end, gift):
    path = gift / f"study.sqlite{end}"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    if end in ("-wal", "-shm"):  # these are no matter to who looks
        read_study(gift)
    else:
        with pytest.raises(StoreError, match=r"There is no study|is a device and no file"):
            read_study(gift)
    with pytest.raises(StoreError):
        Store(gift)


def test_a_journal_that_is_a_link_within_the_folder_is_not_written_through_either(gift):
    (gift / "victim").write_text("inside")
    (gift / "study.sqlite-journal").symlink_to("victim")
    read_study(gift)
    with pytest.raises(StoreError, match=r"study\.sqlite-journal is a link"):
        Store(gift)
    assert (gift / "victim").read_text() == "inside"


@pytest.mark.parametrize("mode", ["DELETE", "WAL", "PERSIST", "TRUNCATE"])
def test_who_looks_changes_no_file_and_makes_none(mode, gift):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("UPDATE sessions SET ended_at = NULL")
    connection.close()
    before = files_of(gift)
    assert read_study(gift).sessions[-1].ended_at is None
    assert files_of(gift) == before


def test_changes_in_a_write_ahead_log_are_seen(gift):
    connection = sqlite3.connect(gift / "study.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("UPDATE sessions SET ended_at = NULL")
    assert (gift / "study.sqlite-wal").stat().st_size
    before = files_of(gift)
    assert read_study(gift).sessions[-1].ended_at is None
    assert files_of(gift) == before
    connection.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/hostname")])
def test_a_write_ahead_log_that_is_no_file_is_refused(make, gift):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    make(gift / "study.sqlite-wal")
    with pytest.raises(StoreError, match=r"-wal (is a link to|cannot be read\. (It is a device|Is a directory))"):
        read_study(gift)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE VIRTUAL TABLE more USING fts5 (a)", "It holds the virtual table 'more'"),
        ("CREATE TABLE more (a, b AS (zeroblob(1000000000)))", None),
    ],
)
def test_tables_that_compute_are_refused_where_they_could(statement, found, gift):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    if found is None:  # a table of the reader's own that nobody asks
        read_study(gift)
        return
    for look in (read_study, Store):
        with pytest.raises(StoreError, match=found):
            look(gift)


@pytest.mark.parametrize(
    "column", ["CHECK (length(randomblob(1000000000)))", "DEFAULT (randomblob(9))", "COLLATE NOCASE"]
)
def test_a_table_that_computes_when_it_is_written_is_refused(column, gift):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        written = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'blocks'").fetchone()[0]
        connection.execute("DROP TABLE blocks")
        connection.execute(written.replace("TEXT NOT NULL", f"TEXT NOT NULL {column}", 1))
    connection.close()
    with pytest.raises(StoreError, match="Its table 'blocks' computes something"):
        Store(gift)


def test_a_store_of_a_terabyte_of_nothing_is_not_read(gift):
    with (gift / "study.sqlite").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(StoreError, match="are the most that is read"):
        read_study(gift)


HALF_WRITTEN = """
import os, signal, sys
from pathlib import Path
from prunus.store import EpochRow, Store
store = Store(Path(sys.argv[1]))
store._connection.execute("PRAGMA cache_size=1")
store._connection.execute("BEGIN IMMEDIATE")
store.put([EpochRow("a", epoch, 9.0, 9.0, 0, 4, 0.0, 1e-3, 0.1) for epoch in range(2000)])
store.delete(EpochRow, epoch=7)
store._connection.execute("DELETE FROM trials")
store.rows(EpochRow)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_power_cut_left_half_written_is_seen_as_it_was_and_recovered_by_its_owner(gift):
    whole = rows_without_times(gift)
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, gift], check=False)
    before = files_of(gift)
    assert before[gift / "study.sqlite-journal"][:8] == MAGIC
    assert rows_without_times(gift) == whole
    assert files_of(gift) == before
    run(gift)
    assert not (gift / "study.sqlite-journal").exists()
    assert rows_without_times(gift) == whole


WRITER = """
import sys
from pathlib import Path
from prunus.store import EpochRow, Store
store = Store(Path(sys.argv[1]))
store._connection.execute("PRAGMA cache_size=1")
store._connection.execute("PRAGMA synchronous=OFF")
store._connection.execute("PRAGMA journal_mode=MODE")
store._connection.execute("PRAGMA wal_autocheckpoint=20")
for round in range(1, 1 << 30):
    with store.transaction():
        store.delete(EpochRow)
        store.put([EpochRow("a", epoch, float(round), 0.0, 0, 4, 0.0, 1e-3, 0.1) for epoch in range(round % 400)])
"""


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_who_looks_while_somebody_writes_sees_one_moment(mode, tmp_path):
    Store(tmp_path, create=True).close()
    writer = subprocess.Popen([sys.executable, "-c", WRITER.replace("=MODE", f"={mode}"), tmp_path])
    rounds = set()
    try:
        looks, give_up = 0, time.monotonic() + 120
        while (looks < 150 or len(rounds) <= 3) and time.monotonic() < give_up:  # the writer takes a while to begin
            looks += 1
            with Store.copy(tmp_path) as copy:
                copy.check()
                rows = copy.rows(EpochRow)
            assert len({row.train_loss for row in rows}) <= 1
            assert not rows or len(rows) == rows[0].train_loss % 400
            rounds |= {row.train_loss for row in rows}
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    assert len(rounds) > 3


def test_a_copy_can_be_taken_while_this_process_writes(tmp_path):
    with Store(tmp_path, create=True) as store:
        with store.transaction():
            store.put([EpochRow("a", 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1)])
            with Store.copy(tmp_path) as copy:
                assert copy.rows(EpochRow) == []
        with Store.copy(tmp_path) as copy:
            assert copy.rows(EpochRow) == store.rows(EpochRow)


@pytest.mark.parametrize("look", [Store, Store.copy])
def test_a_text_that_is_no_text_is_damage(look, gift):
    with sqlite3.connect(gift / "study.sqlite") as connection:
        connection.execute("UPDATE trials SET recipe = CAST(x'ff' AS TEXT)")
    connection.close()
    with pytest.raises(StoreError, match=r"study\.sqlite is damaged.*decode"):
        look(gift).rows(TrialRow)
    assert any(problem.kind == "damaged" for problem in read_study(gift).problems)
