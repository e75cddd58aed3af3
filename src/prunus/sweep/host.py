"""The host of local workers: loads torch and the data once, forks workers, passes their words on.

It is told what to do by lines of JSON on standard input and answers with events on a pipe. When its standard input
ends, because the coordinator is through or dead, it kills its workers and ends.
"""

from __future__ import annotations

import gc
import json
import os
import select
import selectors
import signal
import socket
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.events import BlockLost, Event, Refused, TrialLost, Wire
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded, load
from prunus.sweep.processes import OUT_OF_MEMORY, cause_of_death, end_with
from prunus.sweep.trial import rehearse
from prunus.sweep.worker import FREE, RETIRES, work
from prunus.system.forking import fork, keep_from_forks, let_go
from prunus.system.memory import oom_kills

PATIENCE_SECONDS = 0.2


@dataclass
class Worker:
    """A worker process and the trial it is at. worked: whether it has had one."""

    pid: int
    channel: socket.socket
    job: dict[str, Any] | None = None
    worked: bool = False
    retired: bool = False
    unread: bytes = b""


@dataclass
class Host:
    """The host's state: its workers, idle and busy."""

    folder: Path
    events: int
    loaded: Loaded
    keep_open: tuple[int, ...] = ()
    workers: dict[int, Worker] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    unread: bytes = b""
    oom_kills: int = field(default_factory=oom_kills)

    def serve(self) -> None:
        """Work until standard input ends."""
        self.selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fd == 0:
                    if not self._hear():
                        return
                else:
                    self._pass_on(self.workers[key.data])

    def _hear(self) -> bool:
        """Take commands. Returns False at the end of standard input."""
        data = os.read(0, 1 << 16)
        if not data:
            return False
        *lines, self.unread = (self.unread + data).split(b"\n")
        for command in map(json.loads, lines):
            if "interrupt" in command:
                for worker in self.workers.values():
                    os.kill(worker.pid, signal.SIGTERM)
            elif "cancel" in command:
                self._cancel(command["cancel"])
            else:
                self._assign(command)
        return True

    def _cancel(self, token: str) -> None:
        """Kill the worker that is at it; a stopped one, too."""
        for worker in self.workers.values():
            if worker.job is not None and worker.job["token"] == token:
                os.kill(worker.pid, signal.SIGKILL)
                worker.retired = True

    def _assign(self, job: dict[str, Any]) -> None:
        idle = next((one for one in self.workers.values() if one.job is None and not one.retired), None)
        if idle is not None and idle.worked and self._goes_on(job["trial"]):
            # Whether it may go on is rehearsed in forks, which threads of an earlier trial's gradients forbid.
            idle.channel.shutdown(socket.SHUT_WR)
            idle.retired, idle = True, None
        idle = idle or self._fork()
        idle.job, idle.worked = job, True
        with suppress(OSError):  # it has just died; its end is read from the channel
            idle.channel.sendall(json.dumps(job).encode() + b"\n")

    def _goes_on(self, trial: str) -> bool:
        """Whether there is a checkpoint from which the trial would go on."""
        return bool(trial) and StudyFolder(self.folder).checkpoint(trial).exists()

    def _fork(self) -> Worker:
        ours, theirs = socket.socketpair()
        host = os.getpid()
        pid = fork(shares=True)
        if pid == 0:
            ours.close()
            for worker in self.workers.values():
                worker.channel.close()
            self.selector.close()
            os.close(0)
            let_go([self.events])
            end_with(host)
            try:
                work(self.folder, self.loaded, theirs, self.keep_open)
            except BaseException:  # it must not get to the host's own end, which kills all workers
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        theirs.close()
        worker = Worker(pid, ours)
        self.workers[pid] = worker
        self.selector.register(ours, selectors.EVENT_READ, pid)
        return worker

    def _pass_on(self, worker: Worker) -> None:
        """Pass a worker's events on, and note whether it is free for another job."""
        try:
            data = worker.channel.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self._bury(worker)
            return
        *lines, worker.unread = (worker.unread + data).split(b"\n")
        for line in lines:
            if line in (FREE, RETIRES):
                worker.job = None
                worker.retired = line == RETIRES
            else:
                self._say(line + b"\n")

    def _bury(self, worker: Worker) -> None:
        # The channel's end is how a death is heard: all that the worker said before lies in front of it.
        self.selector.unregister(worker.channel)
        worker.channel.close()
        _, status = os.waitpid(worker.pid, 0)
        del self.workers[worker.pid]
        if worker.job is not None:
            job, cause = worker.job, self._cause(os.waitstatus_to_exitcode(status))
            lost = (
                BlockLost(MeasurementBlock(**job["block"]).name, cause)
                if job["block"]
                else TrialLost(job["trial"], cause)
            )
            self._say(Wire.encode(lost, job["token"]))

    def _cause(self, exit_code: int) -> str:
        """What a worker died of; the kernel tells of those that it killed for lack of memory."""
        # The kernel does not say whom it killed, only how many: one more than before, and a SIGKILL, are taken
        # together.
        cause, before = cause_of_death(exit_code), self.oom_kills
        self.oom_kills = oom_kills()
        return OUT_OF_MEMORY if cause == "SIGKILL" and self.oom_kills > before else cause

    def _say(self, line: bytes) -> None:
        """Write a whole line; when nobody reads any more, standard input will end too."""
        with suppress(BrokenPipeError):
            while line:
                line = line[os.write(self.events, line) :]


def _seeks_latency(folder: StudyFolder) -> bool:
    """Whether a recipe or control asks for a latency; a study that cannot be read is refused when it is loaded."""
    asked: list[bool] = []
    with suppress(ValueError):
        json.loads(folder.study.read_bytes(), object_hook=lambda one: asked.append(one.get("latency_ms") is not None))
    return any(asked)


def _search_apart(folder: StudyFolder, events: int) -> None:
    """Find the rates of latencies in a process of its own: a runtime's threads would not survive the workers' forks.

    Ends this process, too, where the study is refused, or where nobody waits for it any more.
    """
    parent = os.getpid()
    pid = fork(shares=True)
    if pid == 0:
        end_with(parent)
        _, answer = load(folder, lambda event: _write(events, event))
        if isinstance(answer, Refused):
            _write(events, answer)
        os._exit(isinstance(answer, Refused))
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if select.select([0], [], [], PATIENCE_SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
            os._exit(0)
    if ended[1]:
        os._exit(1)


def _write(events: int, event: Event) -> None:
    os.write(events, Wire.encode(event))


def main(folder: str, events: str, *keep_open: str) -> NoReturn:
    """Load, then serve.

    keep_open: descriptors that hold the folder's lock as long as this process or a worker lives.
    """
    kept = tuple(map(int, keep_open))
    for descriptor in (int(events), *kept):
        os.set_inheritable(descriptor, False)  # not by what a user's code starts
    keep_from_forks((int(events), *kept))
    if _seeks_latency(StudyFolder(Path(folder))):
        _search_apart(StudyFolder(Path(folder)), int(events))
    loaded, answer = load(StudyFolder(Path(folder)))
    os.write(int(events), Wire.encode(answer))
    if loaded is None:
        os._exit(0)
    rehearse(loaded)
    gc.collect()
    gc.freeze()  # so that the collector of a worker does not touch, and thereby copy, what all share
    host = Host(Path(folder), int(events), loaded, kept)
    try:
        host.serve()
    finally:
        for worker in host.workers.values():
            os.kill(worker.pid, signal.SIGKILL)
        os._exit(0)
