"""Reading files that may come from a stranger: real files alone, and no more than the machine can hold."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from prunus.memory import half_of_memory


def read_whole(path: Path, most_bytes: int | None = None) -> bytes:
    """The content of a file that may be a stranger's: of a regular one, and at most so much (half of the memory).

    Raises `OSError` for what is no file, such as a device behind a link, and for what is too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would have to be waited for
    with os.fdopen(descriptor, "rb") as file:
        opened, most = os.fstat(descriptor), most_bytes or half_of_memory()
        _refuse(opened.st_mode, path)
        if opened.st_size > most:
            what = f"it has {opened.st_size:,} bytes, and {most:,} are the most that is read"
            raise OSError(errno.EFBIG, what, str(path))
        return file.read(most)


def refuse_device(path: Path) -> None:
    """Raise `OSError` for a device or a pipe, links followed: what reads one may never come to an end."""
    _refuse(path.stat().st_mode, path)


def _refuse(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is a device and no file", str(path))
