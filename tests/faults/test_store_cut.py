"""A power cut at any byte of a commit: the store opens, and at most what was not acknowledged is gone."""

import shutil
from pathlib import Path

import pytest

from prunus.store import EpochRow, Store, read_result, write_result

ACKNOWLEDGED = [EpochRow("a", epoch, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1) for epoch in range(1, 40)]
UNACKNOWLEDGED = [EpochRow("a", epoch, 9.0, 9.0, 0, 4, 0.0, 1e-3, 0.1) for epoch in range(1, 40)]


@pytest.fixture(scope="module")
def moment():
    """Database and journal as they are before a commit, with a part of it in the database, and after it."""
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")
    folder = place / "prunus-store-cut"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with Store(folder, create=True) as store:
        with store.transaction():
            store.put(ACKNOWLEDGED)
        before = store.path.read_bytes()
        store._connection.execute("PRAGMA cache_size=1")  # so that pages reach the file before the commit
        store._connection.execute("PRAGMA cache_spill=1")
        with store.transaction():
            store.put(UNACKNOWLEDGED)
            store._connection.execute("SELECT count(*) FROM trials").fetchall()
            journal = store.path.with_name("study.sqlite-journal").read_bytes()
            during = store.path.read_bytes()
        after = store.path.read_bytes()
    yield folder, before, journal, during, after
    shutil.rmtree(folder)


def opened(folder, database, journal):
    (folder / "study.sqlite").write_bytes(database)
    (folder / "study.sqlite-journal").write_bytes(journal)
    with Store.copy(folder) as copy:
        seen = copy.rows(EpochRow)
    assert (folder / "study.sqlite").read_bytes() == database  # who only looks has changed nothing
    assert (folder / "study.sqlite-journal").read_bytes() == journal
    with Store(folder) as store:
        assert store.rows(EpochRow) == seen
    return seen


def test_the_journal_cut_at_every_byte_while_it_is_written(moment):
    folder, before, journal, _, _ = moment
    assert len(journal) > 4096
    every_byte_of_the_last_page = range(len(journal) - 4104, len(journal) + 1)
    for length in [*range(0, len(journal) - 4104, 211), *every_byte_of_the_last_page]:
        assert opened(folder, before, journal[:length]) == ACKNOWLEDGED


def test_a_page_of_the_database_cut_at_every_byte_while_it_is_written(moment):
    folder, before, journal, during, after = moment
    changed = [
        start for start in range(0, len(after), 4096) if before[start : start + 4096] != after[start : start + 4096]
    ]
    last = changed[-1]
    pages = {after[last : last + cut] + before[last + cut : last + 4096] for cut in range(4097)}
    assert len(pages) > 500  # cuts between equal bytes are one and the same
    for page in pages:
        torn = before[:last] + page + before[last + 4096 :]
        assert opened(folder, torn, journal) == ACKNOWLEDGED
    assert opened(folder, during, journal) == ACKNOWLEDGED


def test_after_the_commit_all_is_there(moment):
    folder, _, _, _, after = moment
    assert opened(folder, after, b"") == UNACKNOWLEDGED


def test_a_result_of_another_lease_does_not_count(tmp_path):
    from prunus.errors import StoreError

    write_result(tmp_path / "result.json", ACKNOWLEDGED, "one")
    assert read_result(tmp_path / "result.json", "one") == ACKNOWLEDGED
    with pytest.raises(StoreError, match="came too late"):
        read_result(tmp_path / "result.json", "other")
