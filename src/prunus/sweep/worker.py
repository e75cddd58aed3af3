"""A worker: takes jobs, one after the other, carries them out, tells how they go and end, and shows that it lives."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from prunus.errors import DiskFullError, PrunusError
from prunus.store.files import utf8
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.checkpoints import Interrupted
from prunus.sweep.events import Alive, BlockEnded, EndStatus, Event, TrialEnded, Wire
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job, Lease, LeaseExpiredError
from prunus.sweep.loaded import Loaded
from prunus.sweep.measuring import measure_block
from prunus.sweep.processes import OUT_OF_MEMORY
from prunus.sweep.resources import Resources
from prunus.sweep.trial import run_trial
from prunus.system import user_code
from prunus.system.forking import keep_from_forks
from prunus.system.memory import memory_limit
from prunus.system.user_code import user_modules

FREE, RETIRES = b"free", b"retires"
RETIRES_AFTER_SECONDS = 1.0
"""A worker that has worked so long is replaced by a fresh process: a trial that takes time has a process of its own,
and a thousand instant ones do not pay for a thousand forks. Where a user's file is run, each trial has one: what it
finds must not depend on what the trials before it left in the file's variables."""


def work(folder: Path, loaded: Loaded, channel: socket.socket, keep_open: tuple[int, ...] = ()) -> None:
    """Take jobs until the channel ends or it is time to retire.

    keep_open: what this process holds open, and what a process that the user's code forks must not: that one may live
    on, and the study's folder would be locked, and the worker be taken to live, as long as it does.
    """
    keep_from_forks((channel.fileno(), *keep_open))
    faulthandler.enable()
    # The host looks for GPUs without touching them, since it forks. With that setting every step of an optimiser looks
    # anew, which takes as long as the step of a small network; a worker forks no more and does without.
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    stop = StopRequest()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.monotonic()
    voice = Voice(channel)
    with heartbeat(voice.beat, loaded.study.execution.lease_seconds), channel.makefile("rb") as lines:
        for line in lines:
            job = Job(**json.loads(line))
            voice.token = job.token
            if job.gpus is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
            carry_out(job, StudyFolder(folder), loaded, voice.tell, lambda: stop.asked)
            sys.stdout.flush()
            used_up = job.gpus is not None or time.monotonic() - began > RETIRES_AFTER_SECONDS or bool(user_modules())
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


HEARTBEATS_PER_LEASE = 4


@contextmanager
def heartbeat(beat: Callable[[], None], lease_seconds: float) -> Iterator[None]:
    """Call `beat` four times per lease, as long as this process runs; a stopped or dead one beats no more."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(lease_seconds / HEARTBEATS_PER_LEASE):
            beat()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


Tell = Callable[[Event], None]


def carry_out(job: Job, folder: StudyFolder, loaded: Loaded, tell: Tell, stop_asked: Callable[[], bool]) -> None:
    """Do it; whatever goes wrong in a trial is told in `TrialEnded`."""
    if job.block:
        block = MeasurementBlock(**{**job.block, "trials": tuple(job.block["trials"])})
        measure_block(block, folder, loaded, tell)
        tell(BlockEnded(block.name))
        return
    began = time.perf_counter()
    status, *error = _attempt(Lease(job.trial, job.token, folder.lease(job.trial)), folder, loaded, tell, stop_asked)
    tell(TrialEnded(job.trial, status, time.perf_counter() - began, *error))


def _attempt(
    lease: Lease, folder: StudyFolder, loaded: Loaded, tell: Tell, stop_asked: Callable[[], bool]
) -> tuple[EndStatus] | tuple[EndStatus, str, str]:
    """How it ended, and with which error."""
    resources = Resources.of(loaded.study)
    try:
        with memory_limit(resources.memory_bytes):
            run_trial(loaded.trials[lease.trial], loaded, folder, lease, tell=tell, stop_asked=stop_asked)
    except Interrupted:
        return ("interrupted",)
    except LeaseExpiredError:
        return ("expired",)
    except DiskFullError as error:
        return "no space", type(error).__name__, str(error)
    except BaseException as error:  # of a user's code, which may raise SystemExit, CancelledError and others like them
        if is_out_of_memory(error):
            return "failed", OUT_OF_MEMORY, _out_of_memory(resources)
        if not isinstance(error, PrunusError):
            traceback.print_exc()
        return "failed", type(error).__name__, describe(error)
    return ("finished",)


def _out_of_memory(resources: Resources) -> str:
    """What to tell of a trial that asked for more memory than it may have."""
    limit = resources.memory_bytes / 2**30
    may_have = f"more than its {limit:.3g} GiB" if limit else "more than there is"
    return (
        f"The trial asked for memory, {may_have}. A smaller training.batch_size, fewer --workers or a higher "
        "execution.memory_gib help"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for that there is not; torch says so in words alone on the CPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def describe(error: BaseException) -> str:
    """An error in at most 500 characters, as a user should read it."""
    text = str(error) if isinstance(error, PrunusError) else user_code.describe(error)
    return utf8(text if len(text) <= 500 else f"{text[:499]}…").replace("\0", "\\0")
