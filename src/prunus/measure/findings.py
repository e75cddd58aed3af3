"""What this machine has and lacks for prunus, and what to do about it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prunus.data import DATA, DataSource
from prunus.data.files import FromFiles
from prunus.errors import PrunusError
from prunus.measure._runtime import RUNTIMES, unavailable
from prunus.registry import Registry
from prunus.spec import Measurement

OPTIONAL = {  # package -> what it is for
    "timm": "networks named timm:NAME",
}
ENOUGH_BYTES = 10**9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. `needed`: no study runs without it. `do`: the way to it, where it is absent."""

    group: str
    name: str
    found: bool
    needed: bool
    detail: str
    do: str = ""


def examine(folder: Path) -> tuple[Finding, ...]:
    """Look at runtimes, data sets, optional packages, compilers, and the folder that results would go to."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (_runtimes, _data, _packages, _compilers)
    return (*(finding for check in checks for finding in check()), *_folder(folder))


def _runtimes() -> Iterator[Finding]:
    for name in RUNTIMES:
        reason = unavailable(name)
        needed = name in Measurement().runtimes and not RUNTIMES.get(name).optional
        yield Finding("runtime", name, reason is None, needed, "ready" if reason is None else "absent", reason or "")
    yield from _broken("runtime", RUNTIMES)


def _broken(group: str, registry: Registry[Any]) -> Iterator[Finding]:
    for name, error in registry.broken().items():
        yield Finding(group, name, False, False, error.why, error.do)


def _data() -> Iterator[Finding]:
    """The data sets that need no setting of the user's; those of files are only looked for."""
    for name in DATA:
        kind = DATA.get(name)
        if any(field.is_required() for field in kind.model_fields.values()):
            continue
        try:
            yield Finding("data", name, True, False, _place(kind()))
        except PrunusError as error:
            yield Finding("data", name, False, False, error.why, error.do)
        except Exception as error:  # of somebody else's package
            yield Finding("data", name, False, False, f"it is broken: {type(error).__name__}: {error}")
    yield from _broken("data", DATA)


def _place(source: DataSource) -> str:
    if isinstance(source, FromFiles):
        return str(source.FILES.find(source.folder, download=False)[0].parent)
    return "comes with a package"


def _packages() -> Iterator[Finding]:
    for name, purpose in OPTIONAL.items():
        try:
            yield Finding("package", name, True, False, f"{version(name)}, {purpose}")
        except PackageNotFoundError:
            yield Finding("package", name, False, False, purpose, f"run: pip install {name}")


def _compilers() -> Iterator[Finding]:
    path = next((found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), None)
    do = "" if path else "on Debian and Ubuntu run: apt install g++; on macOS: xcode-select --install"
    yield Finding("compiler", "C++", path is not None, False, path or "builds from source need one", do)


def _folder(folder: Path) -> Iterator[Finding]:
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    yield _writable(existing)
    free = shutil.disk_usage(existing).free
    do = "" if free >= ENOUGH_BYTES else "free some space, or name another folder"
    yield Finding("folder", "space", free >= ENOUGH_BYTES, False, f"{free / 1e9:.1f} GB free", do)


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"prunus")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding("folder", "writable", False, True, f"{folder}: {error.strerror}", "name another folder")
    return Finding("folder", "writable", True, True, str(folder))
