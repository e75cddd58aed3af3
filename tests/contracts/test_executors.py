"""What every executor must do, on the real thing: the same rows bit for bit, leases kept, deaths told, stops obeyed."""

import time
from dataclasses import replace

import pytest

from clusters import executor_options, kind_of
from prunus.errors import InputError
from prunus.spec import load_study
from prunus.spec.load import parse_study
from prunus.store import read_study, write_atomically
from prunus.sweep.events import EpochDone, Ready, TrialEnded, TrialLost, TrialStarted
from prunus.sweep.executors import EXECUTORS, Terms
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.provenance import Conditions
from prunus.sweep.run import run_study
from small_study import ONE_RECIPE, ONE_SEED, TWO_RECIPES, changed, rows_without_times
from working_folder import set_traps

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),  # Ray's
]

SMALL = changed(ONE_SEED, ("epochs = 5", "epochs = 2"), (', "unstructured",', ","))
CRASHING = """
import os, signal, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 10)
    def forward(self, x):
        if self.training and (self.first.weight == 0).any():
            os.kill(os.getpid(), signal.SIGKILL)  # once something was pruned
        return self.last(torch.relu(self.first(x.flatten(1))))

def build():
    return Net()
"""


@pytest.fixture(scope="module", params=[name for name in EXECUTORS if name != "submitit-local"])
def options(request, tmp_path_factory):
    with executor_options(request.param, tmp_path_factory.mktemp("cluster")) as options:
        yield options


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The study's rows, found by one local worker after the other."""
    folder = tmp_path_factory.mktemp("expected")
    run_study(_study(folder, SMALL), folder / "out", replace(_local(), workers=1))
    return rows_without_times(folder / "out")


@pytest.fixture(scope="module")
def started(options, tmp_path_factory):
    """An executor that is ready for a long study, and the study's trials, of which each test takes others."""
    place = tmp_path_factory.mktemp("started")
    study = _study(place, changed(ONE_SEED, TWO_RECIPES, ("epochs = 5", "epochs = 100000")))
    folder = StudyFolder(place)
    write_atomically(folder.study, study.model_dump_json().encode())
    executor = kind_of(options)(place, Terms(workers=2, address=options.address))
    executor.start()
    try:
        ready = _until(executor, lambda event: isinstance(event, Ready))
        resolved = parse_study(ready.study, "what the executor found")
        write_atomically(folder.conditions, Conditions.here(resolved, ready.data_digest).to_json())
        yield executor, folder, [trial.digest for trial in resolved.trials()]
    finally:
        executor.close()


def _local():
    from prunus.sweep.run import Options

    return Options()


def _study(folder, text):
    (folder / "small.toml").write_text(text)
    return load_study(folder / "small.toml")


def _until(executor, condition, seconds=240):
    """The first event for which a condition holds."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        for event, _ in executor.events(0.5):
            if condition(event):
                return event
    raise AssertionError("it was not heard in time")


def test_only_a_cluster_with_an_address_takes_one(tmp_path):
    for name in ("local", "slurm"):
        with pytest.raises(InputError, match=f"The executor '{name}' takes no address"):
            EXECUTORS.get(name)(tmp_path, Terms(address="here:1"))


def test_the_same_table_bit_for_bit(options, expected, tmp_path):
    outcome = run_study(_study(tmp_path, SMALL), tmp_path / "out", options)
    assert (outcome.finished, outcome.failed) == (3, 0)
    assert rows_without_times(tmp_path / "out") == expected


def test_a_process_that_dies_is_a_typed_failure_after_bounded_attempts(options, tmp_path):
    (tmp_path / "net.py").write_text(CRASHING)
    text = changed(
        ONE_SEED, ONE_RECIPE, ('{ name = "mlp", hidden = [12] }', '"net.py:build"'),
        ("epochs = 5", "epochs = 2"), ("[execution]", "[execution]\nattempts = 2"),
    )  # fmt: skip
    run_study(_study(tmp_path, text), tmp_path / "out", options)
    rows = {row.recipe: row for row in read_study(tmp_path / "out").trials}
    assert rows[None].status == "finished"
    assert rows["reference-unstructured"].status == "failed"
    assert rows["reference-unstructured"].attempts == 2
    assert rows["reference-unstructured"].error_kind in ("SIGKILL", "WorkerCrashed", "LocalRayletDied")


def test_no_worker_imports_from_the_working_folder(options, tmp_path, monkeypatch):
    if options.executor == "submitit-local":
        pytest.skip("what stands in for Slurm starts its processes in its own way")
    mark = set_traps(tmp_path)
    study = _study(tmp_path, changed(ONE_SEED, ONE_RECIPE, ("epochs = 5", "epochs = 1")))
    monkeypatch.chdir(tmp_path)
    run_study(study, tmp_path / "out", options)
    assert not mark.exists(), mark.read_text()
    assert {row.status for row in read_study(tmp_path / "out").trials} == {"finished"}


def test_only_the_word_of_the_lease_in_force_is_finished(started):
    executor, folder, (trial, *_) = started
    late = Lease.grant(trial, folder.lease(trial))
    Lease.grant(trial, folder.lease(trial))  # somebody else's from here on
    executor.submit(late)
    ended = _until(executor, lambda event: isinstance(event, TrialEnded))
    assert (ended.trial, ended.status) == (trial, "expired")
    assert not folder.result(trial).exists()


def test_a_cancelled_trial_ends_and_others_go_on(started):
    executor, folder, (_, first, second) = started
    leases = [Lease.grant(trial, folder.lease(trial)) for trial in (first, second)]
    executor.submit(leases[0])
    _until(executor, lambda event: isinstance(event, TrialStarted))
    executor.cancel(leases[0])
    executor.submit(leases[1])
    said = []
    started_second = _until(executor, lambda event: said.append(event) or isinstance(event, TrialStarted))
    assert started_second.trial == second
    assert not [event for event in said if isinstance(event, TrialEnded)]
    time.sleep(3)
    before = folder.checkpoint(first).stat().st_mtime_ns if folder.checkpoint(first).exists() else 0
    _until(executor, lambda event: isinstance(event, EpochDone) and event.row.epoch > 2 and event.row.trial == second)
    assert before == (folder.checkpoint(first).stat().st_mtime_ns if before else 0)
    assert not [event for event in said if isinstance(event, TrialLost) and event.trial == second]
    executor.cancel(leases[1])


def test_stopped_trials_leave_a_checkpoint(started):
    """The last, since nothing more is submitted after it."""
    executor, folder, (trial, *_) = started
    executor.submit(Lease.grant(trial, folder.lease(trial)))
    _until(executor, lambda event: isinstance(event, EpochDone) and event.row.trial == trial)
    executor.interrupt()
    ended = _until(executor, lambda event: isinstance(event, TrialEnded))
    assert (ended.trial, ended.status) == (trial, "interrupted")
    assert folder.checkpoint(trial).exists()
