"""The process that tells a study's trackers, as the one that runs the study sees it."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prunus.spec import Study
from prunus.sweep.events import Shown, Warned
from prunus.system.children import child_environment, python_command
from prunus.tracking import trackers_of

Observer = Callable[[Shown], None]
LONGEST_END_SECONDS = 60.0


@contextmanager
def tracking(study: Study, folder: Path, observe: Observer) -> Iterator[Observer]:
    """An observer that also tells what trackers warn of; their process runs within."""
    if not trackers_of(study.tracking):
        yield observe
        return
    with (folder / "tracking.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            python_command("prunus.tracking.following", str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the coordinator alone
            env=child_environment(),
        )
    assert process.stdin is not None
    assert process.stdout is not None
    heard = _Lines(process.stdout.fileno())

    def observing(event: Shown) -> None:
        observe(event)
        for line in heard.new():
            observe(Warned(line))

    try:
        yield observing
    finally:
        process.stdin.close()  # it looks a last time, and ends
        try:
            process.wait(LONGEST_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            observe(Warned(f"trackers were still not done after {LONGEST_END_SECONDS:g} s, and were ended"))
        for line in heard.new():
            observe(Warned(line))
        if process.returncode > 0:
            observe(Warned(f"trackers ended with exit code {process.returncode}; {folder / 'tracking.log'} says why"))
        process.stdout.close()


class _Lines:
    """Reads what is there of a pipe, without waiting."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.unread = descriptor, b""

    def new(self) -> list[str]:
        """Whole lines that came since the last time."""
        while select.select([self.descriptor], [], [], 0)[0]:
            data = os.read(self.descriptor, 1 << 16)
            if not data:
                break
            self.unread += data
        *lines, self.unread = self.unread.split(b"\n")
        return [line.decode(errors="replace") for line in lines]
