"""No process of a study outlives the one that started it; and what one that died, died of."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even while it is still importing (Linux).

    Elsewhere the end of the pipe to the parent does it, as soon as it is read.
    """
    if LIBRARY is not None:
        LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def cause_of_death(exit_code: int) -> str:
    """The name of the signal that ended a process, or the code it gave.

    >>> cause_of_death(-9), cause_of_death(3)
    ('SIGKILL', 'exit code 3')
    """
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
