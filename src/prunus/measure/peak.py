"""A process's own peak resident memory."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FOR_FORKS = tuple(Path("/proc/self") / name for name in ("status", "clear_refs", "maps", "pagemap", "mem"))


def can_be_reset() -> bool:
    """Whether the kernel lets a process forget its peak and know its pages, so that a fork can have its own peak."""
    return sys.platform == "linux" and all(path.exists() for path in _FOR_FORKS)


def reset_peak() -> None:
    """Let the peak start anew from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The largest resident set since the process's start or the last reset."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
