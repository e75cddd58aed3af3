"""A local worker process: takes jobs, one after the other, and tells how they go."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from prunus.sweep.attempt import carry_out
from prunus.sweep.beat import beating
from prunus.sweep.events import Alive, Event, Wire
from prunus.sweep.folder import StudyFolder
from prunus.sweep.job import Job
from prunus.sweep.loaded import Loaded

FREE, RETIRES = b"free", b"retires"
RETIRES_AFTER_SECONDS = 1.0
"""A worker that has worked so long is replaced by a fresh process: a trial that takes time has a process of its own,
and a thousand instant ones do not pay for a thousand forks."""


def work(folder: Path, loaded: Loaded, channel: socket.socket) -> None:
    """Take jobs until the channel ends or it is time to retire."""
    faulthandler.enable()
    # The host looks for GPUs without touching them, since it forks. With that setting every step of an optimiser looks
    # anew, which takes as long as the step of a small network; a worker forks no more and does without.
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    stop = StopRequest()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.monotonic()
    voice = Voice(channel)
    with beating(voice.beat, loaded.study.execution.lease_seconds), channel.makefile("rb") as lines:
        for line in lines:
            job = Job(**json.loads(line))
            voice.token = job.token
            if job.gpus is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
            carry_out(job, StudyFolder(folder), loaded, voice.tell, lambda: stop.asked)
            sys.stdout.flush()
            used_up = job.gpus is not None or time.monotonic() - began > RETIRES_AFTER_SECONDS
            retires = stop.asked or used_up  # what holds a GPU cannot be given another
            voice.say((RETIRES if retires else FREE) + b"\n")
            if retires:
                return


class Voice:
    """The worker's end of the channel, for its work and its beat alike."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel, self.lock, self.token = channel, threading.Lock(), ""

    def say(self, line: bytes) -> None:
        """One whole line; what was said is over when the worker says that it is free."""
        with self.lock:
            self.channel.sendall(line)
            if line.startswith((FREE, RETIRES)):
                self.token = ""

    def tell(self, event: Event) -> None:
        """An event of the job at hand."""
        self.say(Wire.encode(event, self.token))

    def beat(self) -> None:
        """A sign of life, while there is a job."""
        if self.token:
            with suppress(OSError):  # nobody listens any more; the kernel ends this process
                self.tell(Alive())


class StopRequest:
    """A signal handler that remembers that it was called."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: object) -> None:
        """Note the request; the trial ends after its epoch."""
        self.asked = True
