"""A worker on another machine: what it loads, and what it refuses."""

import json
from dataclasses import asdict, replace

import pytest

from prunus.spec import load_study
from prunus.store import EpochRow, read_result, write_atomically
from prunus.sweep.event_log import EventReader
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job, Lease
from prunus.sweep.loaded import Loaded
from prunus.sweep.provenance import Conditions
from prunus.sweep.remote import work
from prunus.train import PruningScope
from small_study import ONE_SEED, changed


@pytest.fixture
def elsewhere(tmp_path):
    """A study's folder as its coordinator prepares it, the study, and its conditions."""
    (tmp_path / "small.toml").write_text(changed(ONE_SEED, ("epochs = 5", "epochs = 1")))
    loaded = Loaded.of(load_study(tmp_path / "small.toml"))
    folder = StudyFolder(tmp_path)
    folder.words("").parent.mkdir()
    conditions = Conditions.here(loaded.study, loaded.dataset.fingerprint())
    write_atomically(folder.conditions, conditions.to_json())
    return folder, loaded.study, conditions


def said_by_a_worker(folder, trial):
    """Its last word."""
    lease = Lease.grant(trial.digest, folder.lease(trial.digest))
    work(str(folder.path), json.dumps(asdict(Job(trial=trial.digest, token=lease.token))))
    return EventReader(folder.words(lease.token)).hear()[-1].event, lease.token


def test_it_looks_at_what_its_own_trial_needs_alone(elsewhere, monkeypatch):
    folder, study, _ = elsewhere
    trial = next(one for one in study.trials() if one.recipe and one.recipe.name == "unstructured")
    seen, look = [], PruningScope.of
    monkeypatch.setattr(
        PruningScope, "of", lambda model, recipe, inputs: seen.append(recipe.name) or look(model, recipe, inputs)
    )
    end, token = said_by_a_worker(folder, trial)
    assert end.status == "finished"
    assert seen == ["unstructured"]
    assert [row.epoch for row in read_result(folder.result(trial.digest), token) if isinstance(row, EpochRow)] == [1]


def test_it_refuses_to_work_under_other_conditions(elsewhere):
    folder, study, conditions = elsewhere
    trial = study.trials()[0]
    write_atomically(folder.conditions, replace(conditions, data="other", versions={"torch": "0.4.1"}).to_json())
    end, _ = said_by_a_worker(folder, trial)
    assert (end.status, end.kind) == ("failed", "StoreError")
    assert 'torch "0.4.1" ->' in end.message
    assert "data" in end.message
    assert not folder.result(trial.digest).exists()
