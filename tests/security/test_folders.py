"""Study folders from a stranger: nothing is written elsewhere, and a store holds nothing but rows."""

import os
import sqlite3

import pytest

from prunus.errors import StoreError
from prunus.report import build_report
from prunus.spec import load_study
from prunus.store import EpochRow, Store, read_study, write_atomically, write_result
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.run import run_study
from prunus.sweep.trial_states import TrialStates
from small_study import STUDY


@pytest.fixture
def elsewhere(tmp_path):
    """A file that nobody may touch."""
    path = tmp_path / "elsewhere"
    path.write_text("mine")
    return path


@pytest.mark.parametrize("name", ["report.html", "figures", "trials", "log.txt"])
def test_a_link_that_leads_out_of_the_folder_is_refused(name, elsewhere, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).symlink_to(elsewhere if "." in name else tmp_path)
    (tmp_path / "small.toml").write_text(STUDY)
    with pytest.raises(StoreError, match=f"{name} is a link to .* outside of the study's folder"):
        run_study(load_study(tmp_path / "small.toml"), folder)
    assert elsewhere.read_text() == "mine"


@pytest.mark.parametrize("name", ["log.txt", "lock", "study.sqlite", "trials/lease"])
def test_a_pipe_in_the_folder_is_refused_and_nobody_waits_for_it(name, tmp_path):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    (tmp_path / "small.toml").write_text(STUDY)
    with pytest.raises(StoreError, match=f"{name} is a pipe or a device"):
        run_study(load_study(tmp_path / "small.toml"), tmp_path / "out")


def test_a_report_is_not_written_through_a_link(elsewhere, tmp_path):
    folder = tmp_path / "out"
    (tmp_path / "small.toml").write_text(STUDY.replace("epochs = 5", "epochs = 0"))
    run_study(load_study(tmp_path / "small.toml"), folder)
    (folder / "report.html").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="is a link to"):
        build_report(folder)
    assert elsewhere.read_text() == "mine"


def test_a_planted_temporary_file_is_not_written_through(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".file.7.tmp").symlink_to(elsewhere)
    write_atomically(tmp_path / "file", b"content")
    (tmp_path / ".lease.tmp").symlink_to(elsewhere)
    Lease.grant("trial", tmp_path / "lease")
    assert elsewhere.read_text() == "mine"
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE VIEW sums AS SELECT 1", "It holds the view 'sums'"),
        ("CREATE TRIGGER more AFTER INSERT ON trials BEGIN DELETE FROM epochs; END", "It holds the trigger 'more'"),
        ("CREATE INDEX fast ON trials (rate)", "It holds the index 'fast'"),
        ("ALTER TABLE trials ADD COLUMN more TEXT", "Its table 'trials' has other columns"),
        ("DROP TABLE epochs", "It has no table 'epochs'"),
    ],
)
def test_a_store_that_holds_more_or_less_than_rows_is_refused(statement, found, tmp_path):
    with Store(tmp_path, create=True) as store:
        path = store.path
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(StoreError, match=found):
        read_study(tmp_path)


def test_a_result_file_cannot_speak_for_another_trial(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY)
    study = load_study(tmp_path / "small.toml")
    one, other = (trial.digest for trial in study.trials()[:2])
    folder = StudyFolder(tmp_path / "out")
    (tmp_path / "store").mkdir()
    with Store(tmp_path / "store", create=True) as store:
        states = TrialStates(folder, store)
        states.take_stock(study, retry_failed=False)
        for digest, row_of in ((one, one), (other, one)):
            path = folder.result(digest)
            path.parent.mkdir(parents=True)
            write_result(path, [EpochRow(row_of, 1, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1)], "token")
        states.finish(one, "token")
        with pytest.raises(StoreError, match="rows that are not its trial's"):
            states.finish(other, "token")
