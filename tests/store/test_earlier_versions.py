"""Stores of every version that ever was open and migrate; a migration that is interrupted changes nothing.

`fixtures/versionN.sqlite` is a store as version N wrote it; a new version adds one and changes none.
"""

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prunus.store import EpochRow, Store, TrialRow, database as database_module
from prunus.store.salvage import salvage
from prunus.store.schema import MIGRATIONS, TABLES, VERSION

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(params=range(1, VERSION + 1))
def earlier(request, tmp_path):
    """A folder with a store of each version."""
    shutil.copy(FIXTURES / f"version{request.param}.sqlite", tmp_path / Store.FILE_NAME)
    return tmp_path


def version_of(folder):
    with closing(sqlite3.connect(folder / Store.FILE_NAME)) as connection, connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_there_is_a_store_of_every_version_and_a_step_from_each():
    assert {path.name for path in FIXTURES.iterdir()} == {f"version{n}.sqlite" for n in range(1, VERSION + 1)}
    assert set(MIGRATIONS) == set(range(1, VERSION))


def test_a_store_of_an_earlier_version_opens_with_all_its_rows(earlier):
    with Store(earlier) as store:
        assert [(row.trial, row.status, row.seed) for row in store.rows(TrialRow)] == [
            ("a" * 16, "finished", 0),
            ("b" * 16, "failed", 1),
        ]
        assert [(row.epoch, row.train_loss) for row in store.rows(EpochRow)] == [(1, 0.5), (2, 0.25)]
        for row in store.rows(EpochRow):
            assert row.metric == row.test_correct / row.test_total > 0
        for table in TABLES:
            store.rows(table.row)
    assert version_of(earlier) == VERSION


def test_what_is_left_of_a_damaged_store_of_an_earlier_version_is_read_as_if_it_was_whole(earlier):
    rows, problems = salvage(earlier / Store.FILE_NAME)
    assert problems == []
    with Store(earlier) as store:
        for table in TABLES:
            assert list(map(repr, rows[table.row])) == list(map(repr, store.rows(table.row)))
    assert [row.metric for row in rows[EpochRow]] == [row.test_correct / row.test_total for row in rows[EpochRow]]


def next_version(monkeypatch, step):
    """Have a version after the newest, with this step to it."""
    monkeypatch.setattr(database_module, "VERSION", VERSION + 1)
    monkeypatch.setitem(MIGRATIONS, VERSION, step)


def test_a_step_is_taken_once_and_noted(earlier, monkeypatch):
    next_version(monkeypatch, lambda connection: connection.execute("UPDATE epochs SET train_loss = train_loss + 1"))
    for _ in range(2):
        with Store(earlier) as store:
            assert [row.train_loss for row in store.rows(EpochRow)] == [1.5, 1.25]
    assert version_of(earlier) == VERSION + 1


def test_a_migration_that_is_killed_rolls_back(earlier, monkeypatch):
    def die_in_the_middle(connection):
        connection.execute("DELETE FROM epochs WHERE epoch = 1")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("UPDATE trials SET seconds = 1e9")
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        next_version(monkeypatch, die_in_the_middle)
        Store(earlier)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with Store(earlier) as store:
        assert [row.epoch for row in store.rows(EpochRow)] == [1, 2]
        assert max(row.seconds or 0 for row in store.rows(TrialRow)) < 1e9
    assert version_of(earlier) == VERSION
