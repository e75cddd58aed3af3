"""The machine that numbers are measured on. Imports neither torch nor a runtime."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

from prunus.system.processor import processor_info, processor_name

INSTRUCTION_SETS = {  # name -> flag in /proc/cpuinfo
    "sse4.2": "sse4_2",
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "avx512": "avx512f",
    "avx512-vnni": "avx512_vnni",
    "avx512-bf16": "avx512_bf16",
    "amx": "amx_tile",
    "neon": "asimd",
    "sve": "sve",
    "dotprod": "asimddp",
}
PACKAGES = (
    "prunus", "torch", "torchvision", "numpy", "scipy", "safetensors", "onnx", "onnxscript",
    "onnxruntime", "pydantic", "timm", "zstandard",
)  # fmt: skip
"""The packages whose version can change a number."""


def describe_machine() -> dict[str, JsonValue]:
    """What the machine is and what it is allowed; None for what cannot be known here.

    memory_bytes, memory_limit_bytes: of the machine, and of the container. cores: those this process may use;
    cpu_limit: how many of them at a time, in a container. load_average: over 1, 5 and 15 minutes.
    """
    info = processor_info()
    return {
        "cpu": processor_name(),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "cpu_limit": _cpu_limit(),
        "instruction_sets": list(_instruction_sets(info.get("flags") or info.get("Features") or "")),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_bytes": _memory_bytes(),
        "memory_limit_bytes": _memory_limit_bytes(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def package_versions(others: Iterable[str] = ()) -> dict[str, str]:
    """Package -> version, of those that can change a number and are installed. others: those of optional runtimes."""
    found = {}
    for name in (*PACKAGES, *others):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _instruction_sets(flags: str) -> tuple[str, ...]:
    """The sets that a line of flags stands for.

    >>> _instruction_sets("fpu avx avx2 sse4_2")
    ('sse4.2', 'avx', 'avx2')
    """
    known = set(flags.split())
    return tuple(name for name, flag in INSTRUCTION_SETS.items() if flag in known)


def _memory_bytes() -> int | None:
    names = os.sysconf_names
    if "SC_PHYS_PAGES" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cpu_limit() -> float | None:
    """Cores' worth of time that a container may use, by version 2 or 1 of control groups."""
    quota, _, period = (_read("/sys/fs/cgroup/cpu.max") or "max").partition(" ")
    if quota == "max":
        quota = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") or "-1"
        period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us") or "100000"
    return round(int(quota) / int(period), 2) if int(quota) > 0 else None


def _memory_limit_bytes() -> int | None:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = _read(path)
        if limit and limit.isdigit() and int(limit) < 2**60:  # version 1 says "none" by a very large number
            return int(limit)
    return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
