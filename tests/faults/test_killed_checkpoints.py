"""Checkpoints whose writing is killed at any of its phases, or fails: the one before is read, with one warning."""

import errno
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from prunus.errors import DiskFullError
from prunus.spec import Training
from prunus.store import files
from prunus.sweep.checkpoints import Checkpoints
from prunus.sweep.leases import Lease
from prunus.system.forking import fork
from prunus.train import EpochResult, Pruner, start


def after(epochs):
    """A training so many epochs on, which its weights tell too."""
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 2))
    nn.init.constant_(model[0].weight, epochs)
    pruner = Pruner(model, None, torch.zeros(2, 64), rate=0.0, epochs=9, steps_per_epoch=None, seed=0)
    state = start(model, pruner, Training(epochs=9))
    state.epochs = [EpochResult(epoch, 0.5, 0.25, 3, 4, 0.0, 1e-3, 0.1) for epoch in range(1, epochs + 1)]
    return state


@pytest.fixture
def ours(tmp_path):
    """The checkpoints of a trial of which one was written after two epochs."""
    ours = Checkpoints(tmp_path / "t" / "c", Lease.grant("t", tmp_path / "t" / "lease"), 0.0)
    assert ours.save(after(2))
    return ours


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def half_written(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which ends a process that writes more than it may
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2,) * 2)


def at_sync(number):
    def arrange(_):
        sync, calls = os.fsync, iter(range(number - 1))
        files.os.fsync = lambda descriptor: sync(descriptor) if next(calls, None) is not None else die()

    return arrange


def at_the_rename(_):
    Path.replace = die


@pytest.mark.parametrize(
    ("arrange", "epochs"),
    [(half_written, 2), (at_sync(1), 2), (at_the_rename, 2), (at_sync(2), 3)],
    ids=["half written", "before it is safe", "before the rename", "before the folder is safe"],
)
def test_killed_at_any_phase_the_one_before_or_the_new_one_is_read(ours, arrange, epochs, capsys):
    later = after(3)
    child = fork()
    if child == 0:
        arrange(ours.path)
        ours.save(later)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (-signal.SIGKILL, -signal.SIGXFSZ)
    state = ours.resume(lambda: after(0))
    assert len(state.epochs) == epochs
    assert bool((state.model[0].weight == epochs).all())
    assert capsys.readouterr().out.count("\n") == (epochs == 2)
    assert (ours.unread, sorted(os.listdir(ours.path.parent))) == ("", ["c", "lease"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_on_a_disk_that_fails_or_is_full_the_one_before_is_read(ours, number, monkeypatch, capsys):
    def fail(_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as change:
        change.setattr(files.os, "fsync", fail)
        if number == errno.ENOSPC:
            with pytest.raises(DiskFullError):
                ours.save(after(3))
        else:
            assert [ours.save(after(epochs)) for epochs in (3, 4)] == [False, False]
            assert capsys.readouterr().out.count("\n") == 1
    state = ours.resume(lambda: after(0))
    assert len(state.epochs) == 2
    assert bool((state.model[0].weight == 2).all())
    assert (ours.unread, capsys.readouterr().out) == ("", "")
