"""Whatever happens in whichever order, against a model: leases, results, deaths of workers and of the coordinator."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prunus.errors import StoreError
from prunus.spec import load_study
from prunus.store import EpochRow, Store, TrialRow, write_result
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease, LeaseExpiredError, Leases
from prunus.sweep.trial_states import TrialStates
from small_study import STUDY

NIGHTLY = bool(os.environ.get("PRUNUS_NIGHTLY"))
EXAMPLES, STEPS = (220, 50) if NIGHTLY else (28, 40)  # 10,000 steps by night, 1,000 otherwise; some end early


class AnyOrder(RuleBasedStateMachine):
    """A study whose workers are rules: they write what real ones write, when hypothesis likes."""

    @initialize()
    def begin(self):
        self.place = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        (self.place / "small.toml").write_text(STUDY.replace("seeds = [0, 1]", "seeds = [0]"))
        self.study = load_study(self.place / "small.toml")
        self.folder = StudyFolder(self.place)
        self.workers: list[Lease] = []  # all that were ever lent a trial and have not ended, late ones too
        self.wrote: dict[str, str] = {}  # trial -> token of the last result file
        self.acknowledged: dict[str, float] = {}  # trial -> the mark of the rows that were stored
        self.store = None
        self._start()

    def _start(self):
        self.store = Store(self.place, create=True)
        self.states, self.leases, self.running = TrialStates(self.folder, self.store), Leases(60.0, 0.0), {}
        self.states.take_stock(self.study, retry_failed=False)
        for trial, row in self.states.trials.items():
            if row.status == "finished":
                self.acknowledged.setdefault(trial, self._mark_in_store(trial))

    def _mark_in_store(self, trial):
        [row] = self.store.rows(EpochRow, trial=trial)
        return row.train_loss

    @precondition(lambda self: self.states.waiting())
    @rule(data=st.data())
    def lend(self, data):
        trial = data.draw(st.sampled_from(self.states.waiting()))
        lease = Lease.grant(trial, self.folder.lease(trial))
        self.leases.add(lease)
        self.states.begin(trial)
        self.running[trial] = lease
        self.workers.append(lease)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), checks=st.booleans())
    def a_worker_writes_its_result(self, data, checks):
        """One that does not check was stopped between its look at the lease and its write."""
        lease = data.draw(st.sampled_from(self.workers))
        self.workers.remove(lease)
        if checks:
            try:
                lease.check()
            except LeaseExpiredError:
                return
        mark = float(int(lease.token[:8], 16))
        row = EpochRow(lease.trial, 1, mark, 0.0, 1, 1, 0.0, 1e-3, 0.1)
        write_result(self.folder.result(lease.trial), [row], lease.token)
        self.wrote[lease.trial] = lease.token

    @precondition(lambda self: self.wrote)
    @rule(data=st.data())
    def an_end_is_heard(self, data):
        trial = data.draw(st.sampled_from(sorted(self.wrote)))
        lease = self.running.get(trial)
        if lease is None or not self.leases.hear(lease.token):
            return
        self.leases.end(lease.token)
        del self.running[trial]
        try:
            self.states.finish(trial, lease.token)
        except StoreError:  # the file is a late one's
            self.states.end(trial, status="waiting")
            return
        self.states.write()
        assert trial not in self.acknowledged
        self.acknowledged[trial] = self._mark_in_store(trial)
        assert self.acknowledged[trial] == float(int(lease.token[:8], 16))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_lease_runs_out(self, data):
        """Its worker may be dead or only silent; it stays among those that may come back."""
        trial = data.draw(st.sampled_from(sorted(self.running)))
        self.leases.end(self.running.pop(trial).token)
        self.states.end(trial, status="waiting")

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def a_worker_dies(self, data):
        self.workers.remove(data.draw(st.sampled_from(self.workers)))

    @rule(written=st.booleans())
    def the_coordinator_dies_and_another_begins(self, written):
        if written:
            self.states.write()
        self.store.close()
        self._start()

    @invariant()
    def what_was_acknowledged_is_there_once_and_the_same(self):
        if self.store is None:
            return
        for trial, mark in self.acknowledged.items():
            assert self._mark_in_store(trial) == mark
            [row] = self.store.rows(TrialRow, trial=trial)
            assert row.status == "finished"

    def teardown(self):
        if self.store is not None:
            self.store.close()
            shutil.rmtree(self.place)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)
