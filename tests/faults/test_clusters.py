"""Machines that are taken away in the middle of a study, on real clusters: the same rows as if nothing had happened."""

import os
import subprocess
import sys

import pytest

from clusters import need, ray_nodes
from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.events import EpochDone, TrialEnded, TrialLost, TrialStarted
from prunus.sweep.run import Options, run_study
from slurm_cluster import slurm_cluster, why_not
from small_study import ONE_RECIPE, ONE_SEED, changed, rows_without_times, sessions, wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),  # Ray's
]

EPOCHS = 600  # so that two trials are at work together, though their workers start seconds apart


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Of two trials that take a while and write a checkpoint after every epoch."""
    file = tmp_path_factory.mktemp("study") / "small.toml"
    longer, limited = ("epochs = 5", f"epochs = {EPOCHS}"), ("[execution]", "[execution]\nmemory_gib = 1.0")
    file.write_text(changed(ONE_SEED, ONE_RECIPE, longer, limited))
    return file


@pytest.fixture(scope="module")
def study(file):
    return load_study(file)


@pytest.fixture(scope="module")
def expected(study, tmp_path_factory):
    """Its rows when nothing happens."""
    folder = tmp_path_factory.mktemp("expected") / "out"
    rarely = study.execution.model_copy(update={"checkpoint_seconds": 60.0})
    run_study(study.model_copy(update={"execution": rarely}), folder)
    return rows_without_times(folder)


class Events:
    """Keeps what was told, and acts once: when as many trials as were asked for are in the middle of their work."""

    def __init__(self, at_work, act):
        self.at_work, self.act, self.told, self.acted = at_work, act, [], False

    def __call__(self, event):
        self.told.append(event)
        if not self.acted and len(self.in_the_middle()) >= self.at_work:
            self.acted = True
            self.act()

    def in_the_middle(self):
        ended = {event.trial for event in self.of(TrialEnded)}
        return {event.row.trial for event in self.of(EpochDone) if event.row.epoch > 2} - ended

    def of(self, kind):
        return [event for event in self.told if isinstance(event, kind)]


def test_a_ray_node_that_is_killed_in_the_middle(study, expected, tmp_path):
    with ray_nodes(2) as cluster:

        def kill_a_node():
            cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)

        events = Events(2, kill_a_node)
        outcome = run_study(study, tmp_path / "out", Options(executor="ray", address=cluster.address), events)
    assert events.acted
    [lost] = events.of(TrialLost)
    again = [event for event in events.of(TrialStarted) if event.trial == lost.trial][1]
    assert again.epoch > 2  # from its checkpoint
    assert (outcome.finished, outcome.failed) == (2, 0)
    assert rows_without_times(tmp_path / "out") == expected


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    need("submitit")
    if reason := why_not():
        pytest.skip(reason)
    with slurm_cluster(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.mark.parametrize(
    "command",
    [("scancel", "--signal=USR2"), ("scontrol", "requeue")],  # as before a preemption with `signal_delay_s`; at once
    ids=["with a warning", "without one"],
)
def test_a_slurm_job_that_is_preempted_and_queued_again(slurm, study, expected, tmp_path, command):
    sent_away = []

    def send_away():
        sent_away.append(told_by(*RUNNING).split()[0])
        told_by(*command, sent_away[0])

    events = Events(1, send_away)
    outcome = run_study(study, tmp_path / "out", Options(executor="slurm", workers=1), events)
    assert [row.error for row in read_study(tmp_path / "out").trials] == [None, None]
    job = told_by("scontrol", "show", "job", sent_away[0])
    assert "Restarts=1" in job
    assert "MinMemoryNode=3G" in job  # the trial's own and the process's
    assert (outcome.finished, outcome.failed) == (2, 0)
    starts = events.of(TrialStarted)
    assert len(starts) == 3  # one of the two trials twice, and from its checkpoint
    assert max(event.epoch for event in starts) > 2
    assert rows_without_times(tmp_path / "out") == expected


def test_a_run_inside_a_slurm_job_that_is_sent_away_has_the_job_queued_again(slurm, file, expected, tmp_path):
    out, script = tmp_path / "out", tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -m prunus run {file} --out {out}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    sbatch = ["sbatch", "--parsable", "--cpus-per-task=2", f"--output={tmp_path}/log.txt", script]
    job = subprocess.run(sbatch, capture_output=True, text=True, check=True, env=environment).stdout.strip()
    wait_for(lambda: list(out.glob("trials/*/checkpoint.safetensors")), seconds=120)
    told_by("scancel", "--batch", "--signal=USR2", job)
    wait_for(lambda: [one.outcome for one in sessions(out)] == ["interrupted", "finished"], seconds=200)
    assert "Restarts=1" in told_by("scontrol", "show", "job", job)
    assert rows_without_times(out) == expected


RUNNING = ("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i")


def told_by(*command):
    """What it prints; asked again while the controller is too busy to answer."""
    done = wait_for(lambda: (one := subprocess.run(command, capture_output=True, text=True)).returncode == 0 and one)
    return done.stdout
