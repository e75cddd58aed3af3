"""Workers and coordinators that are stopped: late results are refused, and nobody else is blamed."""

import os
import signal
import time

from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.events import EpochDone, TrialEnded, TrialLost
from prunus.sweep.executors import EXECUTORS
from prunus.sweep.executors.local import Local
from prunus.sweep.run import Options, run_study
from small_study import ONE_RECIPE, ONE_SEED, TWO_RECIPES, changed, descendants, rows_without_times, wait_for

EPOCHS = 150


class Unreachable(Local):
    """A cluster with a node that stops in the middle of a trial and can't be reached until the trial is given up."""

    stopped: int | None = None
    """The process that is stopped."""

    def cancel(self, lease):
        pass

    def events(self, timeout_seconds):
        heard = super().events(timeout_seconds)
        early = [event for event, _ in heard if isinstance(event, EpochDone) and event.row.epoch < EPOCHS / 2]
        workers = descendants(self._host.pid)
        if Unreachable.stopped is None and early and len(workers) == 1:
            Unreachable.stopped = workers[0]
            os.kill(workers[0], signal.SIGSTOP)
        return heard


def test_a_stopped_worker_that_comes_back_late_is_refused_and_counted_once(tmp_path):
    if "unreachable" not in EXECUTORS:
        EXECUTORS.register("unreachable", Unreachable)
    longer = ("epochs = 5", f"epochs = {EPOCHS}"), ("checkpoint_seconds = 0", "lease_seconds = 3")
    (tmp_path / "small.toml").write_text(changed(ONE_SEED, TWO_RECIPES, *longer))
    study = load_study(tmp_path / "small.toml")
    run_study(study, tmp_path / "expected", Options())
    ends = []

    def observe(event):
        if isinstance(event, TrialEnded | TrialLost):
            ends.append(event)
        if isinstance(event, TrialLost):
            os.kill(Unreachable.stopped, signal.SIGCONT)  # it goes on with a trial that is another's by now

    outcome = run_study(study, tmp_path / "out", Options(executor="unreachable", workers=1), observe)
    assert outcome.finished == 3
    lost = [event for event in ends if isinstance(event, TrialLost)]
    assert [event.cause for event in lost] == ["LeaseExpired"]
    finished = [event.trial for event in ends if isinstance(event, TrialEnded) and event.status == "finished"]
    assert sorted(finished) == sorted(set(finished))
    assert rows_without_times(tmp_path / "out") == rows_without_times(tmp_path / "expected")


def test_a_stopped_coordinator_does_not_blame_its_workers(start, study_file, tmp_path):
    changes = (ONE_SEED, ONE_RECIPE, ("epochs = 5", "epochs = 300"), ("checkpoint_seconds = 0", "lease_seconds = 3"))
    process = start("run", study_file(*changes), "--out", tmp_path / "out")
    wait_for(lambda: any((tmp_path / "out").glob("trials/*/lease")), seconds=120)
    process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert {row.attempts for row in read_study(tmp_path / "out").trials} == {1}
