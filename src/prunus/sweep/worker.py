"""A worker process: takes jobs, one after the other, and tells how they go."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prunus import user_code
from prunus.errors import DiskFullError, PrunusError
from prunus.sweep.blocks import Block
from prunus.sweep.events import BlockEnded, EndStatus, Event, TrialEnded, Wire
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded
from prunus.sweep.payoff import measure_block
from prunus.sweep.trial import Interrupted, run_trial

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

    def tell(event: Event) -> None:
        channel.sendall(Wire.encode(event))

    with channel.makefile("rb") as lines:
        for line in lines:
            job = json.loads(line)
            _carry_out(job, folder, loaded, tell, stop)
            sys.stdout.flush()
            retires = stop.asked or time.monotonic() - began > RETIRES_AFTER_SECONDS
            channel.sendall((RETIRES if retires else FREE) + b"\n")
            if retires:
                return


class StopRequest:
    """A signal handler that remembers that it was called."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: object) -> None:
        """Note the request; the trial ends after its epoch."""
        self.asked = True


def _carry_out(
    job: dict[str, Any], folder: Path, loaded: Loaded, tell: Callable[[Event], None], stop: StopRequest
) -> None:
    if "block" in job:
        block = Block(**{**job["block"], "trials": tuple(job["block"]["trials"])})
        measure_block(block, StudyFolder(folder), loaded, tell)
        tell(BlockEnded(block.name))
        return
    digest = job["trial"]
    began = time.perf_counter()

    def ended(status: EndStatus, *error: Any) -> None:
        tell(TrialEnded(digest, status, time.perf_counter() - began, *error))

    try:
        run_trial(loaded.trials[digest], loaded, StudyFolder(folder), tell=tell, stop_asked=lambda: stop.asked)
        ended("finished")
    except Interrupted:
        ended("interrupted")
    except DiskFullError as error:
        ended("no space", type(error).__name__, str(error))
    except Exception as error:
        if not isinstance(error, PrunusError):
            traceback.print_exc()
        ended("failed", type(error).__name__, describe(error))


def describe(error: BaseException) -> str:
    """An error in at most 500 characters, as a user should read it."""
    text = str(error) if isinstance(error, PrunusError) else user_code.describe(error)
    return text if len(text) <= 500 else f"{text[:499]}…"
