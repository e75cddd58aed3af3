"""The coordinator: hands out trials, hears of them, and alone writes the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prunus.errors import DiskFullError, StoreError, StoreLockedError
from prunus.spec import Study
from prunus.spec.load import parse_study
from prunus.store import ProblemRow, SessionRow, Store, read_result, write_atomically
from prunus.store.files import utf8
from prunus.sweep.blocks import MeasurementBlock, missing_blocks, store_block, store_loss
from prunus.sweep.events import (
    Alive,
    BlockEnded,
    BlockLost,
    EpochDone,
    Event,
    MeasuringStarted,
    Ready,
    Received,
    Refused,
    Shown,
    Stopping,
    StudyStarted,
    TrialEnded,
    TrialLost,
    TrialRequeued,
    TrialStarted,
)
from prunus.sweep.executors import Executor
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease, Leases, token_of
from prunus.sweep.processes import StopSignals, last_line, meaning
from prunus.sweep.provenance import Conditions, new_session, now, refuse_changes
from prunus.sweep.trial_states import WRITE_ENDS_EVERY_SECONDS, TrialStates, is_there

LISTEN_SECONDS = 0.2

Observer = Callable[[Shown], None]


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended.

    Attributes:
        trials: of the study, controls included.
        finished: those that have a result, of this run or an earlier one.
        failed: those that ended with an error, which is stored.
        problems: what else the report names, such as a measurement that could not be made.
        signal: the number of the signal that stopped the run; None if none did.
        at_once: whether a second signal ended it without waiting for epochs.
    """

    trials: int
    finished: int
    failed: int
    problems: int
    signal: int | None
    at_once: bool = False


class Coordinator:
    """One run of one study: hears events, and writes what they mean before anyone else is told of them."""

    def __init__(
        self, folder: StudyFolder, store: Store, executor: Executor, observe: Observer, stop: StopSignals
    ) -> None:
        self.folder, self.store, self.executor, self.observe, self.stop = folder, store, executor, observe, stop
        self.states = TrialStates(folder, store)
        self.running: dict[str, Lease] = {}
        self.finished: dict[str, TrialEnded] = {}  # whose result files are not seen yet
        self.untold: list[Event] = []
        self.leases = Leases(0.0, 0.0)
        self.attempts = 1

    def run(self, command: str, *, allow_changes: bool, retry_failed: bool) -> Outcome:
        """From the executor's first word to the session's last."""
        ready = self._wait_until_ready()
        if ready is None:
            return Outcome(0, 0, 0, 0, self.stop.number)
        study = parse_study(ready.study, "The resolved study")
        execution = study.execution
        self.attempts = execution.attempts
        self.leases = Leases(execution.lease_seconds, execution.time_limit_seconds)
        session = self._open_session(study, ready, command, allow_changes=allow_changes)
        self.states.take_stock(study, retry_failed=retry_failed)
        ended = len(self.states.trials) - self.states.count("waiting")
        rows = tuple(self.states.trials.values())
        usual = study.training.epochs
        others = {one.digest: one.training.epochs for one in study.trials() if one.training.epochs != usual}
        self.observe(StudyStarted(rows, ended, self.executor.workers, usual, others, study.metric))
        self._train()
        self._measure(study)
        return self._close_session(session)

    def _wait_until_ready(self) -> Ready | None:
        while not self.stop.number:
            for event, _ in self.executor.events(LISTEN_SECONDS):
                self.observe(event)
                if isinstance(event, Ready):
                    return event
                if isinstance(event, Refused):
                    raise event.as_error()
        return None

    def _open_session(self, study: Study, ready: Ready, command: str, *, allow_changes: bool) -> SessionRow:
        earlier = self.store.rows(SessionRow)
        session = new_session(len(earlier) + 1, study, ready.data_digest, command, ready.files)
        if earlier and not allow_changes:
            refuse_changes(earlier[-1], session)
        self.states.write([session])
        if self.executor.capabilities.other_machines:
            write_atomically(self.folder.conditions, Conditions.of(session).to_json())
        return session

    def _train(self) -> None:
        """Keep every worker busy until no trial waits; after a signal, until those that run have stopped."""
        waiting = deque(self.states.waiting())
        told = False
        self._fill(waiting)
        while (self.running or (waiting and not self.stop.number)) and not self.stop.at_once:
            if self.stop.number and not told:
                self.executor.interrupt()
                self.observe(Stopping(self.stop.number))
                told = True
            heard = [self._handle(event, waiting) for event in [*self._shown_late(), *self._listen()]]
            events = [event for event in heard if event is not None]
            self._fill(waiting)  # before the rows are written, so that no worker waits for the disk
            self._acknowledge(events)
        self._acknowledge((), at_once=True)

    def _acknowledge(self, events: Sequence[Event], *, at_once: bool = False) -> None:
        """Write, and only then tell that trials have ended; those that end close together are written together."""
        self.untold += events
        ended = any(isinstance(event, TrialEnded | TrialLost) for event in self.untold)
        if at_once or self.states.is_due(ended=ended):
            try:
                self.states.write()
            except StoreLockedError:
                if at_once:
                    raise
                return  # what ended is told once it is written
        elif ended:
            return
        for event in self.untold:
            self.observe(event)
        self.untold.clear()

    def _fill(self, waiting: deque[str]) -> None:
        """Lend out trials until every worker has one."""
        room = self.executor.workers
        while waiting and len(self.running) < room and not self.stop.number:
            digest = waiting.popleft()
            if self.states.take_in(digest, token_of(self.folder.lease(digest))):  # it was shown late
                self.untold.append(TrialEnded(digest, "finished", 0.0))
                continue
            lease = Lease.grant(digest, self.folder.lease(digest))
            self.states.begin(digest)
            self.running[digest] = lease
            self.leases.add(lease)
            self.executor.submit(lease)

    def _listen(self) -> list[Event]:
        """What was said under leases in force, and which of them have run out."""
        patience = WRITE_ENDS_EVERY_SECONDS if self.untold else LISTEN_SECONDS
        heard = [one for one in self.executor.events(patience) if self._counts(one)]
        events: list[Event] = [event for event, _ in heard if not isinstance(event, Alive | TrialRequeued)]
        for lease, limit in self.leases.overdue():
            if not any(token == lease.token for _, token in heard):
                self.executor.cancel(lease)
                events.append(TrialLost(lease.trial, limit))
        return events

    def _counts(self, heard: Received) -> bool:
        """Whether it was said under a lease in force; such a lease is renewed by it."""
        if not self.leases.hear(heard.token):
            return False
        if isinstance(heard.event, TrialRequeued):
            self.leases.pause(heard.token)
        return True

    def _handle(self, event: Event, waiting: deque[str]) -> Event | None:
        """Do what an event asks for; returns what is to be told of it, None where nothing is yet."""
        match event:
            case TrialStarted():
                self.states.started(event)
            case EpochDone():
                self.states.epoch(event.row, saved=event.saved)
            case TrialEnded():
                return self._end(event, waiting)
            case TrialLost():
                seconds = self.leases.seconds(self.running[event.trial].token)
                lease = self._give_back(event.trial)
                self.finished.pop(event.trial, None)
                if self.states.take_in(event.trial, lease.token, seconds):  # whatever became of its worker afterwards
                    return TrialEnded(event.trial, "finished", seconds)
                return self._lose(event, waiting)
        return event

    def _shown_late(self) -> list[Event]:
        """The ends of trials whose result files a slow file system shows by now."""
        return [event for event in self.finished.values() if is_there(self.folder.result(event.trial))]

    def _lose(self, event: TrialLost, waiting: deque[str]) -> Event:
        # A trial that takes its worker down each time must not go on for ever.
        again = self.states.trials[event.trial].attempts < self.attempts
        if again:
            self.states.end(event.trial, status="waiting")
            waiting.append(event.trial)
        else:
            why = f"The trial was lost: {meaning(event.cause)}. {self._last_word()}"
            self.states.end(event.trial, status="failed", error_kind=event.cause, error=why)
        return replace(event, again=again)

    def _last_word(self) -> str:
        line = utf8(last_line(self.folder.log)).replace("\0", "\\0")
        return f"The last line of {self.folder.log.name} is: {line}" if line else f"{self.folder.log.name} is empty"

    def _end(self, event: TrialEnded, waiting: deque[str]) -> Event | None:
        late = self.executor.capabilities.other_machines and not is_there(self.folder.result(event.trial))
        if event.status == "finished" and late:  # the lease stays in force, and ends the wait for the file
            self.finished[event.trial] = event
            return None
        self.finished.pop(event.trial, None)
        lease = self._give_back(event.trial)
        match event.status:
            case "finished":
                try:
                    self.states.finish(event.trial, lease.token, event.seconds)
                except StoreError as error:  # another worker, late, wrote over it, or the disk lost it
                    return self._lose(TrialLost(event.trial, type(error).__name__), waiting)
            case "interrupted":
                self.states.end(event.trial, event.seconds, status="waiting")
            case "expired":
                self.states.end(event.trial, event.seconds, status="waiting")
                waiting.append(event.trial)
            case "no space":
                raise DiskFullError(self.folder.path)
            case "failed":
                changes = {"status": "failed", "error_kind": event.kind, "error": event.message}
                self.states.end(event.trial, event.seconds, **changes)
        return event

    def _give_back(self, digest: str) -> Lease:
        lease = self.running.pop(digest)
        self.leases.end(lease.token)
        return lease

    def _measure(self, study: Study) -> None:
        """Carry out the blocks of measurements that are not done yet, one at a time, with nothing else running."""
        finished = [digest for digest, row in self.states.trials.items() if row.status == "finished"]
        blocks = missing_blocks(study, finished, self.store)
        self.observe(MeasuringStarted(len(blocks)))
        for block in blocks:
            if self.stop.number:
                return
            self.folder.measurements(block.name).unlink(missing_ok=True)  # an earlier one's rows are not this one's
            self.executor.measure(block)
            self._hear_block(block)

    def _hear_block(self, block: MeasurementBlock) -> None:
        while not self.stop.number:
            for event, _ in self.executor.events(LISTEN_SECONDS):
                if isinstance(event, BlockLost) and is_there(self.folder.measurements(block.name)):
                    event = BlockEnded(block.name)  # its process died after its work was done
                if isinstance(event, BlockEnded):
                    store_block(block, read_result(self.folder.measurements(block.name)), self.store)
                if isinstance(event, BlockLost):
                    what = f"The measurement was lost: {meaning(event.cause)}. {self._last_word()}"
                    store_loss(block, ProblemRow(None, block.name, event.cause, what), self.store)
                self.observe(event)
                if isinstance(event, BlockEnded | BlockLost):
                    return

    def _close_session(self, session: SessionRow) -> Outcome:
        failed, finished = self.states.count("failed"), self.states.count("finished")
        how = "interrupted" if self.stop.number else "failed trials" if failed else "finished"
        self.states.write([replace(session, ended_at=now(), outcome=how)])
        problems = len(self.store.rows(ProblemRow))
        return Outcome(len(self.states.trials), finished, failed, problems, self.stop.number, self.stop.at_once)
