"""Processes on this machine, forked from a host that has torch and the data loaded."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from prunus.errors import InputError, MissingError
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.events import Received, TrialEnded, TrialLost, Wire
from prunus.sweep.executors.executor import Capabilities, Executor, Terms
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job, Lease
from prunus.sweep.processes import cause_of_death, end_with, last_line, meaning
from prunus.sweep.resources import machine_gpus
from prunus.system.children import child_environment, python_command

FORK_SAFE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""For the host: neither a pool of threads nor a GPU in use survives a fork. Workers set their own number of threads."""


class Local(Executor):
    """Processes on this machine, as many as it has cores and GPUs for; a host hands them their trials."""

    capabilities = Capabilities(other_machines=False, memory_limit=sys.platform == "linux")

    def __init__(self, folder: Path, terms: Terms) -> None:
        super().__init__(folder, terms)
        if terms.address:
            raise InputError("The executor 'local' takes no address", "it runs trials here", "leave out --address")
        self._free_gpus = list(machine_gpus())
        room = terms.resources.fit(len(os.sched_getaffinity(0)), len(self._free_gpus))
        self._workers = min(terms.workers or room, room) if terms.resources.gpus else terms.workers or room
        self._gpus_of: dict[str, list[str]] = {}  # by token
        self._host: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._unread = b""

    @property
    def workers(self) -> int:  # noqa: D102
        return self._workers

    def start(self, keep_open: tuple[int, ...] = ()) -> None:  # noqa: D102
        reading, writing = os.pipe()
        with StudyFolder(self.folder).log.open("ab") as log:
            self._host = subprocess.Popen(  # noqa: S603
                python_command("prunus.sweep.start", "host", str(self.folder), str(writing), *map(str, keep_open)),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing, *keep_open),
                preexec_fn=partial(end_with, os.getpid()),  # one system call, and no threads here
                start_new_session=True,  # Ctrl-C reaches the coordinator alone, which then tells the others
                env={**child_environment(), **FORK_SAFE},
            )
        os.close(writing)
        self._reading = reading
        self._selector.register(reading, selectors.EVENT_READ)

    def submit(self, lease: Lease) -> None:  # noqa: D102
        gpus = None
        if (count := self.terms.resources.gpus) and self._free_gpus:
            gpus, self._free_gpus = self._free_gpus[:count], self._free_gpus[count:]
            self._gpus_of[lease.token] = gpus
        self._tell(asdict(Job(trial=lease.trial, token=lease.token, gpus=gpus)))

    def cancel(self, lease: Lease) -> None:  # noqa: D102
        self._tell({"cancel": lease.token})
        self._take_back(lease.token)

    def measure(self, block: MeasurementBlock) -> None:  # noqa: D102
        self._tell(asdict(Job(block=asdict(block))))

    def interrupt(self) -> None:  # noqa: D102
        self._tell({"interrupt": True})

    def events(self, timeout_seconds: float) -> list[Received]:  # noqa: D102
        if not self._selector.select(timeout_seconds):
            return []
        data = os.read(self._reading, 1 << 20)
        if not data:
            raise self._host_died()
        *lines, self._unread = (self._unread + data).split(b"\n")
        heard = [Wire.decode(line) for line in lines]
        for event, token in heard:
            if isinstance(event, TrialEnded | TrialLost):
                self._take_back(token)
        return heard

    def _host_died(self) -> MissingError:
        """What to say once nothing more is heard of the host."""
        assert self._host is not None
        log = StudyFolder(self.folder).log
        why = meaning(cause_of_death(self._host.wait()))
        return MissingError(
            f"The process that runs the trials ended: {why}",
            f"the last line of {log} is: {last_line(log)}" if last_line(log) else f"{log} is empty",
            "mend that, and run the same command again to continue",
        )

    def _take_back(self, token: str) -> None:
        """GPUs of a trial that is over can be given to another."""
        self._free_gpus += self._gpus_of.pop(token, [])

    def close(self) -> None:  # noqa: D102
        if self._host is None:
            return
        self._selector.close()
        os.close(self._reading)
        if self._host.stdin is not None:
            with suppress(BrokenPipeError):
                self._host.stdin.close()  # the host ends its workers and itself when nobody can speak to it any more
        self._host.wait()
        self._host = None

    def _tell(self, command: dict[str, object]) -> None:
        if self._host is None or self._host.stdin is None:
            raise RuntimeError("the executor has not been started")
        with suppress(BrokenPipeError):  # `events` then tells why
            self._host.stdin.write(json.dumps(command).encode() + b"\n")
            self._host.stdin.flush()
