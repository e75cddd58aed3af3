"""Settings of the whole process (random states, garbage collection): one thread at a time changes and restores them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Turn:
    """A lock that a forked process finds free, whichever thread of its parent had it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.RLock()


_turn = _Turn()


@contextmanager
def in_turn() -> Iterator[None]:
    """Within, no other thread of prunus changes a setting of the whole process; a thread may enter it again.

    Were two to save a setting, change it and put it back at the same time, the last one would leave what the first one
    had set. torch.export, too, is made for one thread at a time.
    """
    with _turn.lock:
        yield


_lock = threading.Lock()
_inside = 0
_was_enabled = True


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Unused objects that refer to each other in circles are looked for afterwards; all others go at once, as always.

    Of several threads the first one stops the search, and the last one lets it go on.
    """
    global _inside, _was_enabled
    with _lock:
        if not _inside:
            _was_enabled = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _was_enabled:
                gc.enable()
