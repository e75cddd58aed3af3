"""Keeping a third party's chatter from the user."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No prints, log lines or warnings within; errors are still raised."""
    handle = logging.Logger.handle
    logging.Logger.handle = _drop  # type: ignore  # logging.disable walks through hundreds of loggers
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.Logger.handle = handle  # type: ignore[method-assign]


def _drop(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Handle nothing."""
