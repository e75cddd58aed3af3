"""Running a study: the coordinator, which alone writes the store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunus.errors import DiskFullError, MissingError, StoreError
from prunus.spec import Study, Trial
from prunus.spec.load import parse_study
from prunus.store import (
    FolderLock,
    ProblemRow,
    SessionRow,
    Store,
    TrialRow,
    read_result,
    write_atomically,
)
from prunus.sweep.blocks import Block, missing_blocks, store_block, store_loss
from prunus.sweep.events import (
    BlockEnded,
    BlockLost,
    EpochDone,
    Event,
    MeasuringStarted,
    Ready,
    Refused,
    StudyStarted,
    TrialEnded,
    TrialLost,
)
from prunus.sweep.executors import EXECUTORS, Executor
from prunus.sweep.folder import StudyFolder
from prunus.sweep.provenance import new_session, now, refuse_changes
from prunus.sweep.signals import StopSignals

MOST_ATTEMPTS = 3
"""How often a trial is begun whose process dies under it; each time it goes on from its checkpoint."""

WRITE_AT_LEAST_EVERY_SECONDS = 2.0
"""How often what is known of running trials reaches the store; the end of a trial does at once."""

LOST = "The trial's process ended with {}. A lack of memory is the most frequent reason. See log.txt"

Observer = Callable[[Event | StudyStarted | MeasuringStarted], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `signal`: the number of the signal that stopped it, if one did."""

    trials: int
    finished: int
    failed: int
    problems: int
    signal: int | None


@dataclass(frozen=True)
class Options:
    """What a run may do besides running the study; nothing here changes a result."""

    workers: int = 0
    executor: str = "local"
    allow_changes: bool = False
    retry_failed: bool = False
    command: str = ""


def run_study(
    study: Study, folder: str | Path, options: Options = Options(), observe: Observer = lambda _: None
) -> Outcome:
    """Run what is not finished of a study in its folder, then measure; or continue where an earlier run stopped.

    Errors: `InputError` for a study that cannot be run, `StoreError` for a folder in use or begun under other
    conditions, `DiskFullError`. Whatever was stored before stays.
    """
    try:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "payoff").mkdir(exist_ok=True)
    except OSError as error:
        raise MissingError(f"The folder {folder} cannot be made", str(error), "choose another --out") from None
    with FolderLock(folder) as lock, Store(folder, create=True) as store, StopSignals() as stop:
        write_atomically(StudyFolder(folder).study, study.model_dump_json(indent=1).encode())
        executor = EXECUTORS.get(options.executor)(folder, options.workers or study.execution.workers)
        try:
            executor.start(keep_open=(lock.descriptor,))
            coordinator = Coordinator(StudyFolder(folder), store, executor, observe, stop)
            return coordinator.run(options)
        finally:
            executor.close()


class Coordinator:
    """One run of one study: hears events, and writes what they mean before anyone else is told of them."""

    def __init__(
        self, folder: StudyFolder, store: Store, executor: Executor, observe: Observer, stop: StopSignals
    ) -> None:
        self.folder, self.store, self.executor, self.observe, self.stop = folder, store, executor, observe, stop
        self.trials: dict[str, TrialRow] = {}
        self.running: set[str] = set()
        self.unwritten: list[Any] = []
        self.written_at = time.monotonic()

    def run(self, options: Options) -> Outcome:
        """From the executor's first word to the session's last."""
        ready = self._wait_until_ready()
        if ready is None:
            return Outcome(0, 0, 0, 0, self.stop.number)
        study = parse_study(ready.study, "The resolved study")
        session = self._open_session(study, ready, options)
        self._take_stock(study, options)
        self._train()
        self._measure(study)
        return self._close_session(session)

    def _wait_until_ready(self) -> Ready | None:
        while not self.stop.number:
            for event in self.executor.events(0.2):
                self.observe(event)
                if isinstance(event, Ready):
                    return event
                if isinstance(event, Refused):
                    raise event.as_error()
        return None

    def _open_session(self, study: Study, ready: Ready, options: Options) -> SessionRow:
        earlier = self.store.rows(SessionRow)
        session = new_session(len(earlier) + 1, study, ready.data_digest, options.command)
        if earlier and not options.allow_changes:
            refuse_changes(earlier[-1], session)
        self._write([session])
        return session

    def _take_stock(self, study: Study, options: Options) -> None:
        """Bring the table of trials in line with the study, and take in results that were never acknowledged."""
        known = {row.trial: row for row in self.store.rows(TrialRow)}
        for position, trial in enumerate(study.trials()):
            row = replace(known.get(trial.digest) or waiting_row(trial), position=position, in_study=True)
            if row.status == "running" or (row.status == "failed" and options.retry_failed):
                row = replace(row, status="waiting", attempts=0, error_kind=None, error=None)
            self.trials[trial.digest] = row
        gone = [replace(row, in_study=False) for digest, row in known.items() if digest not in self.trials]
        self._write([*gone, *self.trials.values()])
        for digest, row in self.trials.items():
            result = self.folder.result(digest)
            if row.status == "waiting" and result.exists():
                try:
                    self._finish(digest)
                except StoreError:  # not whole: as if it had not been written
                    result.unlink()
        self._write()
        ended = sum(row.status != "waiting" for row in self.trials.values())
        self.observe(StudyStarted(tuple(self.trials.values()), ended, self.executor.workers, study.training.epochs))

    def _train(self) -> None:
        """Keep every worker busy until no trial waits; after a signal, until those that run have stopped."""
        waiting = deque(digest for digest, row in self.trials.items() if row.status == "waiting")
        told = False
        self._fill(waiting)
        while (self.running or (waiting and not self.stop.number)) and not self.stop.at_once:
            if self.stop.number and not told:
                self.executor.interrupt()
                told = True
            events = self.executor.events(0.2)
            for event in events:
                self._handle(event, waiting)
            self._fill(waiting)  # before the rows are written, so that no worker waits for the disk
            if any(isinstance(event, TrialEnded | TrialLost) for event in events) or self._overdue():
                self._write()
            for event in events:
                self.observe(event)
        self._write()

    def _fill(self, waiting: deque[str]) -> None:
        """Hand out trials until every worker has one."""
        while waiting and len(self.running) < self.executor.workers and not self.stop.number:
            digest = waiting.popleft()
            row = self.trials[digest]
            self._set(replace(row, status="running", attempts=row.attempts + 1))
            self.running.add(digest)
            self.executor.submit(digest)

    def _handle(self, event: Event, waiting: deque[str]) -> None:
        match event:
            case EpochDone():
                self.unwritten.append(event.row)
                if event.saved:
                    self._set(replace(self.trials[event.row.trial], checkpoint_epoch=event.row.epoch))
            case TrialEnded(status="finished"):
                self._finish(event.trial, event.seconds)
            case TrialEnded(status="interrupted"):
                self._end(event.trial, event.seconds, status="waiting")
            case TrialEnded(status="no space"):
                raise DiskFullError(self.folder.path)
            case TrialEnded():
                self._end(event.trial, event.seconds, status="failed", error_kind=event.kind, error=event.message)
            case TrialLost() if self.trials[event.trial].attempts < MOST_ATTEMPTS:
                self._end(event.trial, status="waiting")
                waiting.append(event.trial)
            case TrialLost():
                self._end(event.trial, status="failed", error_kind=event.cause, error=LOST.format(event.cause))

    def _finish(self, digest: str, seconds: float = 0.0) -> None:
        """Take in the rows of a result file. Raises `StoreError` for a damaged one."""
        self.unwritten += read_result(self.folder.result(digest))
        self._end(digest, seconds, status="finished", checkpoint_epoch=None)

    def _end(self, digest: str, seconds: float = 0.0, **changes: Any) -> None:
        row = self.trials[digest]
        self.running.discard(digest)
        self._set(replace(row, seconds=(row.seconds or 0.0) + seconds, **changes))

    def _set(self, row: TrialRow) -> None:
        self.trials[row.trial] = row
        self.unwritten.append(row)

    def _overdue(self) -> bool:
        return bool(self.unwritten) and time.monotonic() - self.written_at > WRITE_AT_LEAST_EVERY_SECONDS

    def _write(self, rows: Iterable[Any] = ()) -> None:
        """Make all that is known durable, in one transaction."""
        if rows := [*self.unwritten, *rows]:
            with self.store.transaction():
                self.store.put(rows)
        self.unwritten.clear()
        self.written_at = time.monotonic()

    def _measure(self, study: Study) -> None:
        """Carry out the blocks of measurements that are not done yet, one at a time, with nothing else running."""
        finished = [digest for digest, row in self.trials.items() if row.status == "finished"]
        blocks = missing_blocks(study, finished, self.store)
        self.observe(MeasuringStarted(len(blocks)))
        for block in blocks:
            if self.stop.number:
                return
            self.executor.measure(block)
            self._hear_block(block)

    def _hear_block(self, block: Block) -> None:
        while not self.stop.number:
            for event in self.executor.events(0.2):
                if isinstance(event, BlockEnded):
                    store_block(block, read_result(self.folder.payoff(block.name)), self.store)
                if isinstance(event, BlockLost):
                    what = f"The process that measured it ended with {event.cause}; {self.folder.log} may say why"
                    store_loss(block, ProblemRow(None, block.name, event.cause, what), self.store)
                self.observe(event)
                if isinstance(event, BlockEnded | BlockLost):
                    return

    def _close_session(self, session: SessionRow) -> Outcome:
        failed = sum(row.status == "failed" for row in self.trials.values())
        finished = sum(row.status == "finished" for row in self.trials.values())
        how = "interrupted" if self.stop.number else "failed trials" if failed else "finished"
        self._write([replace(session, ended_at=now(), outcome=how)])
        return Outcome(len(self.trials), finished, failed, len(self.store.rows(ProblemRow)), self.stop.number)


def waiting_row(trial: Trial) -> TrialRow:
    """The row of a trial that nobody has begun."""
    return TrialRow(
        trial=trial.digest,
        position=0,
        in_study=True,
        recipe=trial.recipe.name if trial.recipe else None,
        pattern=trial.recipe.pattern.name if trial.recipe else None,
        rate=trial.rate,
        seed=trial.seed,
        status="waiting",
        attempts=0,
        error_kind=None,
        error=None,
        seconds=None,
        checkpoint_epoch=None,
    )
