"""Keeping the warnings and log lines of third parties from the user, in one thread alone."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

LIBRARIES = ("torch", "onnx", "onnxscript", "onnx_ir")
"""Whose log lines are dropped, those of all their loggers."""

_quiet_here = ContextVar("_quiet_here", default=False)  # each thread has its own


class _Here:
    """Knows what comes from a thread that is quiet: as the pattern of a warning's text, and as a filter of records."""

    def match(self, _text: str) -> bool:
        return _quiet_here.get()

    def filter(self, _record: logging.LogRecord) -> bool:
        return not _quiet_here.get()


_here = _Here()
_entry: Any = ("ignore", _here, Warning, None, 0)
_lock = threading.Lock()
_count = 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings, and no log lines of torch and ONNX, from this thread within; errors are still raised.

    Nothing of the process is exchanged, so that other threads warn, log and print as always, and threads may leave in
    any order: an entry among the warnings' filters and a filter of the loggers ask which thread it is.
    """
    token = _quiet_here.set(True)
    _enter()
    try:
        yield
    finally:
        _quiet_here.reset(token)
        _leave()


def _enter() -> None:
    global _count  # of the threads that are quiet
    with _lock:
        _count += 1
        if _entry not in warnings.filters:
            warnings.filters.insert(0, _entry)  # type: ignore[attr-defined]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if isinstance(logger, logging.Logger) and name.partition(".")[0] in LIBRARIES:
                logger.addFilter(_here)  # once; it stays, and lets everything through where no thread is quiet


def _leave() -> None:
    global _count
    with _lock:
        _count -= 1
        if not _count and _entry in warnings.filters:
            warnings.filters.remove(_entry)  # type: ignore[attr-defined]
            warnings._filters_mutated()  # type: ignore[attr-defined]
