import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, strategies as st

from prunus.errors import StoreError
from prunus.store import (
    BlockRow,
    CostRow,
    EpochRow,
    LayerRow,
    ProblemRow,
    Store,
    TrialRow,
)
from prunus.store.schema import TABLES, VERSION

EPOCH = EpochRow("a", 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path, create=True) as store:
        yield store


def put(store, *rows):
    with store.transaction():
        store.put(rows)


def test_rows_come_back_as_they_went_in(store):
    cost = CostRow("a", 10, 9, 8, 7, 6, 5, 4, 3, True, None, "[]")
    layer = LayerRow("a", 0, "conv", "conv2d", False, True, 0.5, 4, 2, 2, 1, 10, 5, 100, 50)
    put(store, cost, layer, EPOCH, ProblemRow(None, "export", "ValueError", "no"), BlockRow("files", "x"))
    assert store.rows(CostRow) == [cost]
    assert store.rows(LayerRow) == [layer]
    assert store.rows(CostRow)[0].shrunk is True
    assert store.rows(ProblemRow)[0].trial is None


def test_rows_of_equal_key_are_replaced_and_others_kept(store):
    put(store, EPOCH, EpochRow("a", 2, 0.4, 0.2, 4, 4, 0.0, 1e-3, 0.1))
    put(store, EpochRow("a", 1, 9.0, 9.0, 0, 4, 0.0, 1e-3, 0.1))
    assert [(row.epoch, row.train_loss) for row in store.rows(EpochRow)] == [(1, 9.0), (2, 0.4)]


def test_delete_only_what_is_asked(store):
    put(store, EPOCH, EpochRow("b", 1, 0.4, 0.2, 4, 4, 0.0, 1e-3, 0.1))
    with store.transaction():
        store.delete(EpochRow, trial="a")
    assert [row.trial for row in store.rows(EpochRow)] == ["b"]


def test_a_failed_transaction_leaves_nothing(store):
    with pytest.raises(KeyError, match="not_a_row"), store.transaction():
        store.put([EPOCH, type("not_a_row", (), {})()])
    assert store.rows(EpochRow) == []


def test_writes_are_durable(store):
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@given(
    st.lists(
        st.builds(
            EpochRow,
            *[st.text(max_size=3), st.integers(1, 9), *[st.floats(0, 1)] * 2],
            *[st.integers(0, 9), st.integers(1, 9)],  # of no input there is no share of right answers
            *[st.floats(0, 1)] * 3,
        )
    )
)
def test_any_rows_survive(tmp_path_factory, rows):
    with Store(tmp_path_factory.mktemp("store"), create=True) as store:
        put(store, *rows)
        expected = {(row.trial, row.epoch): row for row in rows}
        assert {(row.trial, row.epoch): row for row in store.rows(EpochRow)} == expected


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(StoreError, match="There is no study in"):
        Store(tmp_path)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    Store(tmp_path, create=True).close()
    with closing(sqlite3.connect(tmp_path / Store.FILE_NAME)) as connection, connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    before = (tmp_path / Store.FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="newer prunus"):
        Store(tmp_path)
    assert (tmp_path / Store.FILE_NAME).read_bytes() == before


def test_a_file_of_another_program_is_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / Store.FILE_NAME)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="another program"):
        Store(tmp_path, create=True)


def test_a_damaged_file_is_one_error(tmp_path):
    (tmp_path / Store.FILE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path)


def test_every_table_has_a_row_class_with_documentation():
    for table in TABLES:
        assert table.row.__doc__
        assert set(table.key) <= set(table.columns)


def test_waiting_trials_may_leave_fields_empty(store):
    row = TrialRow("d", 0, True, None, None, 0.0, 0, "waiting", 0, None, None, None, None)
    put(store, row)
    assert store.rows(TrialRow, in_study=True) == [row]
    assert store.rows(TrialRow, in_study=False) == []
