"""A result that lies there whole, under the token of the lease in force, counts; texts and readers stop no study."""

import sqlite3

import pytest

from prunus.errors import StoreLockedError
from prunus.store import ProblemRow, Store, read_study, write_result
from prunus.sweep.events import TrialEnded, TrialLost
from prunus.sweep.worker import describe
from small_study import ONE_RECIPE, ONE_SEED

DIES = """
import os
from pathlib import Path
from torch import nn
from prunus.sweep.checkpoints import Checkpoints
remove = Checkpoints.remove
def then_die(self):
    remove(self)
    os.kill(os.getpid(), 9)
Checkpoints.remove = then_die
def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
"""
RAISES = """
import os
from torch import nn
class Strange(Exception):
    def __str__(self):
        raise ValueError
class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 10)
    def forward(self, x):
        if self.training:
            raise {"surrogate": ValueError("no " + os.fsdecode(b"im\\xffage")), "nul": ValueError("a\\0b"),
                   "long": ValueError("x" * 10**7), "strange": Strange()}[self.kind]
        return self.b(self.a(x.flatten(1)))
def build(kind):
    return Net(kind)
"""


def test_a_worker_that_dies_after_its_result_has_finished(run, tmp_path):
    (tmp_path / "net.py").write_text(DIES)
    events = []
    model = ('model = { name = "mlp", hidden = [12] }', f'model = "{tmp_path}/net.py:build"')
    outcome = run(model, ONE_SEED, ONE_RECIPE, observe=events.append)
    assert outcome.finished == outcome.trials
    rows = read_study(tmp_path / "out")
    assert not rows.problems
    assert {row.attempts for row in rows.trials} == {1}
    assert not any(isinstance(event, TrialLost) for event in events)
    assert sum(isinstance(event, TrialEnded) for event in events) == outcome.trials


@pytest.mark.parametrize("kind", ["surrogate", "nul", "long", "strange"])
def test_whatever_an_error_says_its_trial_is_a_row(run, tmp_path, kind):
    (tmp_path / "net.py").write_text(RAISES)
    settings = f'{{ name = "{tmp_path}/net.py:build", kind = "{kind}" }}'
    outcome = run(('model = { name = "mlp", hidden = [12] }', f"model = {settings}"), ONE_SEED, ONE_RECIPE)
    assert outcome.failed == outcome.trials
    for row in read_study(tmp_path / "out").trials:
        assert row.error.isprintable()
        assert len(row.error) <= 600


def test_rows_of_any_text_are_stored(tmp_path):
    row = ProblemRow(None, "stage", "kind", "im\udcffage")
    write_result(tmp_path / "result.json", [row])
    with Store(tmp_path, create=True) as store:
        with store.transaction():
            store.put([row])
        assert [found.message for found in store.rows(ProblemRow)] == ["im\\udcffage"]
    assert describe(ValueError("im\udcffage")) == "ValueError: im\\udcffage"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("prunus.store.opening.PATIENCE_SECONDS", 0.2)


def problem(number):
    return ProblemRow(None, "stage", "kind", str(number))


def put(store, number):
    with store.transaction():
        store.put([problem(number)])


def test_a_reader_that_never_ends_keeps_its_file_and_stops_no_writer(tmp_path, impatient):
    with Store(tmp_path, create=True) as store:
        put(store, 0)
        with sqlite3.connect(store.path, isolation_level=None) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM problems").fetchone() == (1,)
            for number in (1, 2):
                put(store, number)
            assert reader.execute("SELECT count(*) FROM problems").fetchone() == (1,)
        reader.close()
        put(store, 3)
        assert [row.message for row in store.rows(ProblemRow)] == ["0", "1", "2", "3"]
    assert [path.name for path in tmp_path.iterdir()] == [Store.FILE_NAME]
    with Store(tmp_path) as store:
        assert len(store.rows(ProblemRow)) == 4


def test_what_fails_in_the_middle_leaves_the_store_as_it_was(tmp_path, impatient):
    with Store(tmp_path, create=True) as store:
        put(store, 0)
        with pytest.raises(KeyError), store.transaction():
            store.put([problem(1), "no row"])
        assert len(store.rows(ProblemRow)) == 1


def test_a_program_that_locks_the_store_is_named(tmp_path, impatient):
    with Store(tmp_path, create=True) as store:
        put(store, 0)
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreLockedError, match="is locked by"):
            put(store, 1)
        other.execute("ROLLBACK")
        other.close()
        put(store, 1)
        assert len(store.rows(ProblemRow)) == 2
