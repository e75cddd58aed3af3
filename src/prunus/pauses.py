"""Work without the pauses that Python makes to look for unused objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_pauses() -> Iterator[None]:
    """Unused objects that refer to each other in circles are looked for afterwards; all others go at once, as always.

    As a decorator, it is the whole call.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
