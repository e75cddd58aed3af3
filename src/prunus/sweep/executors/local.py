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

from prunus.errors import MissingError
from prunus.sweep.blocks import Block
from prunus.sweep.events import Event, Wire
from prunus.sweep.executors.executor import Executor
from prunus.sweep.folder import StudyFolder
from prunus.sweep.lifeline import end_with

FORK_SAFE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""For the host: neither a pool of threads nor a GPU in use survives a fork. Workers set their own number of threads."""


class Local(Executor):
    """One worker per core; a host process hands them their trials (`prunus.sweep.host`)."""

    def __init__(self, folder: Path, workers: int) -> None:
        super().__init__(folder, workers or len(os.sched_getaffinity(0)))
        self._host: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._unread = b""

    def start(self, keep_open: tuple[int, ...] = ()) -> None:  # noqa: D102
        reading, writing = os.pipe()
        with StudyFolder(self.folder).log.open("ab") as log:
            self._host = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "prunus.sweep.host", str(self.folder), str(writing)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing, *keep_open),
                preexec_fn=partial(end_with, os.getpid()),  # one system call, and no threads here
                start_new_session=True,  # Ctrl-C reaches the coordinator alone, which then tells the others
                env={**os.environ, **FORK_SAFE},
            )
        os.close(writing)
        self._reading = reading
        self._selector.register(reading, selectors.EVENT_READ)

    def submit(self, trial: str) -> None:  # noqa: D102
        self._tell({"trial": trial})

    def measure(self, block: Block) -> None:  # noqa: D102
        self._tell({"block": asdict(block), "name": block.name})

    def interrupt(self) -> None:  # noqa: D102
        self._tell({"interrupt": True})

    def events(self, timeout_seconds: float) -> list[Event]:  # noqa: D102
        if not self._selector.select(timeout_seconds):
            return []
        data = os.read(self._reading, 1 << 20)
        if not data:
            raise MissingError(
                "The process that runs the trials ended",
                f"its last words are in {StudyFolder(self.folder).log}; a lack of memory is the most frequent reason",
                "run the same command again to continue, with fewer --workers if memory is short",
            )
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [Wire.decode(line) for line in lines]

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
