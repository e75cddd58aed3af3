"""The host's choice of a process for each job."""

import os
import time

import pytest

from prunus.sweep import host
from prunus.sweep.folder import StudyFolder
from prunus.sweep.worker import FREE


def answer(_folder, _loaded, channel, _keep_open):
    """A worker that does nothing and is free again."""
    with channel.makefile("rb") as lines:
        for _ in lines:
            channel.sendall(FREE + b"\n")


@pytest.fixture
def one(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "work", answer)
    reading, writing = os.pipe()
    one = host.Host(tmp_path, writing, loaded=None)
    yield one
    for worker in list(one.workers.values()):
        worker.channel.close()
        os.waitpid(worker.pid, 0)
    os.close(reading)
    os.close(writing)


def do(one, trial):
    """Have the trial done; the process that did it."""
    one._assign({"trial": trial, "token": "t", "block": {}})
    (pid,) = (pid for pid, worker in one.workers.items() if worker.job is not None)
    until(one, lambda: one.workers[pid].job is None)
    return pid


def until(one, so):
    """Have the host hear its workers until something is so."""
    give_up = time.monotonic() + 60
    while not so() and time.monotonic() < give_up:
        for key, _ in one.selector.select(1):
            one._pass_on(one.workers[key.data])
    assert so()


def test_a_trial_that_goes_on_from_a_checkpoint_has_a_process_that_has_not_computed(one, tmp_path):
    checkpoint = StudyFolder(tmp_path).checkpoint("c")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    first = do(one, "c")
    assert do(one, "a") == do(one, "b") == first
    assert do(one, "c") != first
    until(one, lambda: first not in one.workers)
