"""Interruption loses nothing: signals and kills of real processes, then the same command again."""

import fcntl
import os
import pty
import random
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

from prunus.errors import StoreError
from prunus.store import Store, TrialRow, read_study
from prunus.sweep.processes import StopSignals
from small_study import ONE_RECIPE, ONE_SEED, changed, descendants, rows_without_times, sessions, wait_for

SLOW_MODEL = """
import time
from torch import nn

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 4), nn.Linear(4, 10)
    def forward(self, x):
        time.sleep(30 if self.training else 0)
        return self.last(self.first(x.flatten(1)))

def build():
    return Slow()
"""

LONG = (("epochs = 5", "epochs = 120"), ONE_SEED)
ENDLESS = (("epochs = 5", "epochs = 30000"), ONE_SEED, ONE_RECIPE)
KILLS = 3
ROUNDS = 10000
LOOKS = {"show": ("show", "out"), "report": ("report", "out")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The longer study as it ends when nothing happens to it."""
    from prunus.spec import load_study
    from prunus.sweep.run import Options, run_study

    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.toml").write_text(changed(*LONG))
    run_study(load_study(folder / "small.toml"), folder / "out", Options())
    return rows_without_times(folder / "out")


def trials(folder):
    try:
        with Store(folder) as store:
            return store.rows(TrialRow)
    except StoreError:
        return []


def training_has_begun(folder):
    return any(row.status == "finished" or row.checkpoint_epoch for row in trials(folder))


def test_ctrl_c_ends_after_the_epoch_and_the_same_command_continues(start, study_file, tmp_path, undisturbed):
    out = tmp_path / "out"
    command = ("run", study_file(*LONG), "--out", out)
    process = start(*command)
    wait_for(lambda: training_has_begun(out))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command continues" in stderr
    assert "Traceback" not in stderr
    assert sessions(out)[-1].outcome == "interrupted"
    assert any(row.status == "waiting" for row in read_study(out).trials)
    again = start(*command)
    assert again.wait(120) == 0
    assert rows_without_times(out) == undisturbed


def test_a_second_ctrl_c_ends_at_once(start, study_file, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "slow.py").write_text(SLOW_MODEL)
    slow = ('{ name = "mlp", hidden = [12] }', '"slow.py:build"')
    process = start("run", study_file(slow), "--out", out, "--run-code")
    wait_for(lambda: any(row.status == "waiting" for row in trials(out)))
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("victim", ["coordinator", "host", "worker", "everything"])
def test_sigkill_at_random_moments_loses_nothing(start, study_file, tmp_path, undisturbed, victim):
    out = tmp_path / "out"
    moments = random.Random(victim)
    command = ("run", study_file(*LONG), "--out", out)
    for _ in range(KILLS):
        process = start(*command)
        wait_for(lambda process=process: descendants(process.pid) or process.poll() is not None)
        wait_for(lambda process=process: training_has_begun(out) or process.poll() is not None)
        time.sleep(moments.uniform(0, 0.6))
        kill(process, victim)
        if victim == "worker":
            assert process.wait(120) == 0
            break
        process.communicate(timeout=60)
    process = start(*command)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert rows_without_times(out) == undisturbed


def kill(process, victim):
    family = descendants(process.pid)
    if process.poll() is not None or not family:
        return
    chosen = {
        "coordinator": [process.pid],
        "host": family[:1],
        "worker": family[1:2],
        "everything": [process.pid, *family],
    }[victim]
    for pid in chosen:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_a_measurement_whose_process_dies_is_a_problem_and_tried_again(start, study_file, tmp_path):
    out = tmp_path / "out"
    long = f'select = "first"\nruntimes = ["torch"]\nbatch_sizes = [1]\nmemory = false\nrounds = {ROUNDS}'
    command = ("run", study_file(ONE_SEED, ONE_RECIPE, ('select = "none"', long)), "--out", out)
    process = start(*command)
    wait_for(lambda: (out / "measurements" / "files.json").exists())
    wait_for(lambda: len(descendants(process.pid)) >= 2)  # the host, the one that measures, and others that are idle
    time.sleep(0.3)
    for pid in descendants(process.pid)[1:]:
        os.kill(pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "not measured: latency-torch-batch1-threads1: its process ended with SIGKILL" in stderr
    assert [row.kind for row in read_study(out).problems] == ["SIGKILL"]
    assert start(*command).wait(180) == 0
    rows = read_study(out)
    assert rows.problems == ()
    assert len(rows.latencies) == 2 * ROUNDS


def test_a_terminal_that_is_closed_ends_it_with_checkpoints(study_file, tmp_path):
    out = tmp_path / "out"
    ours, theirs = pty.openpty()

    def begin_session():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup ignores it
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "prunus", "run", study_file(*ENDLESS), "--out", out],
        stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=begin_session,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    os.close(theirs)

    def seen():
        while select.select([ours], [], [], 0)[0]:  # a terminal that nobody reads stops who writes to it
            os.read(ours, 65536)
        return training_has_begun(out)

    try:
        wait_for(seen, seconds=120)
        os.close(ours)
        assert process.wait(60) == 128 + signal.SIGHUP
    finally:
        process.kill()
    assert sessions(out)[-1].outcome == "interrupted"
    assert list(out.glob("trials/*/checkpoint.safetensors"))
    assert not [row for row in trials(out) if row.status == "failed"]


def test_a_terminal_is_heeded_unless_nohup_says_otherwise_and_never_counts_as_a_second_wish():
    before = signal.getsignal(signal.SIGHUP)
    try:
        for ignored in (True, False):
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else lambda *_: None)
            with StopSignals() as stop:
                for _ in range(2):
                    signal.raise_signal(signal.SIGHUP)
            assert (stop.number, stop.at_once) == (None if ignored else signal.SIGHUP, False)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_study_that_runs_can_be_looked_at_but_not_run_and_ends_in_143_with_checkpoints(start, study_file, tmp_path):
    out = tmp_path / "out"
    command = ("run", study_file(*ENDLESS), "--out", out)
    process = start(*command)
    wait_for(lambda: training_has_begun(out), seconds=120)
    others = {name: start(*arguments) for name, arguments in LOOKS.items()}
    others["run"] = start(*command)
    said = {name: other.communicate(timeout=120)[1] for name, other in others.items()}
    assert {name: other.returncode for name, other in others.items()} == {"show": 0, "report": 0, "run": 4}, said
    assert "still to come" in said["show"]
    assert f"is being run by process {process.pid}" in said["run"]
    assert process.poll() is None  # it was running all the while
    page = (out / "report.html").read_text()
    assert "no result yet (see Diagnoses); this page is made of the others" in page
    assert "Something of this study is missing" not in page
    assert "data-failed" not in page

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert list(out.glob("trials/*/checkpoint.safetensors"))
    assert not descendants(process.pid)
    assert {row.attempts for row in trials(out)} <= {0, 1}
    assert not [row for row in trials(out) if row.status == "failed"]

    again = start(*command)
    wait_for(lambda: sessions(out)[-1].session == 2 and len(descendants(again.pid)) >= 3, seconds=120)
    family = descendants(again.pid)
    again.kill()
    again.communicate(timeout=30)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family), seconds=10)
