"""How much memory there is, and a limit on what this process may take of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prunus.system.process_wide import in_turn

CAN_LIMIT_MEMORY = sys.platform == "linux"


def half_of_memory() -> int:
    """Bytes: the most that one file of a stranger may come to, here."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@contextmanager
def memory_limit(size_bytes: int) -> Iterator[None]:
    """Within, this process may take so many bytes more than it has; a request beyond fails instead of being killed.

    0 is no limit. Counted are private, writable pages, whether touched or not (`RLIMIT_DATA`, Linux).
    """
    if not size_bytes or not CAN_LIMIT_MEMORY:
        yield
        return
    import resource  # not on every system

    before = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = [limit for limit in before if limit != resource.RLIM_INFINITY]  # one in force is never lifted
    resource.setrlimit(resource.RLIMIT_DATA, (min([_data_bytes() + size_bytes, *allowed]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def loading() -> Iterator[None]:
    """Within, a file that may be a stranger's is loaded by a library that may compute what the file asks for.

    A few bytes of ONNX can ask for a constant of terabytes, which ONNX Runtime computes while it loads.
    """
    with in_turn(), memory_limit(half_of_memory()):
        yield


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory in this process' control group (Linux); else 0."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                places = [f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events"]
            elif "memory" in controllers.split(","):
                places = [f"/sys/fs/cgroup/memory{path}/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control"]
            else:
                continue
            for place in map(Path, places):
                if place.exists():
                    return dict(_count(entry) for entry in place.read_text().splitlines()).get("oom_kill", 0)
    return 0


def _count(entry: str) -> tuple[str, int]:
    name, count = entry.split()
    return name, int(count)


def _data_bytes() -> int:
    """What counts against the limit already."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024
