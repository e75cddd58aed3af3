"""Telling how far something is, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

EVERY_SECONDS = 5.0


class Steps:
    """Tells how far a number of like steps is, every few seconds."""

    def __init__(self, tell: Callable[[str], None], what: str) -> None:
        self._tell, self._what = tell, what
        self._began = self._told = monotonic()
        tell(what)

    def __call__(self, done: int, count: int) -> None:
        """So many of all are done."""
        now = monotonic()
        if 0 < done < count and now - self._told > EVERY_SECONDS:
            left = (now - self._began) / done * (count - done)
            self._tell(f"{self._what}: {done} of {count}, about {left:.0f} s left")
            self._told = now
