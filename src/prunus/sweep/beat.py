"""Showing that a worker lives, from a thread beside its work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BEATS_PER_LEASE = 4


@contextmanager
def beating(beat: Callable[[], None], lease_seconds: float) -> Iterator[None]:
    """Call `beat` four times per lease, as long as this process runs; a stopped or dead one beats no more."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(lease_seconds / BEATS_PER_LEASE):
            beat()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
