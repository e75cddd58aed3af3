"""Reading files that may come from a stranger: real files alone, and no more than the machine can hold."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from prunus.system.memory import half_of_memory


def read_whole(path: Path, most_bytes: int | None = None) -> bytes:
    """The content of a file that may be a stranger's: of a regular one, and at most so much (half of the memory).

    Raises `OSError` for what is no file, such as a device behind a link, and for what is too large.
    """
    with opened(path) as file:
        return read_open(file, path, most_bytes)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file that may be a stranger's, open for reading alone. Raises `OSError` for anything else."""
    # A pipe would have to be waited for.
    descriptor = os.open(user_path(str(path)), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _refuse(os.fstat(descriptor).st_mode, path)
        yield file


def read_open(file: BinaryIO, path: Path, most_bytes: int | None = None) -> bytes:
    """What an open file holds at this moment, from its beginning. Raises `OSError` for what is too large."""
    size, most = os.fstat(file.fileno()).st_size, half_of_memory() if most_bytes is None else most_bytes
    if size > most:
        what = f"it has {size:,} bytes, and {most:,} are the most that is read"
        raise OSError(errno.EFBIG, what, str(path))
    file.seek(0)
    # Python makes room for all that is asked for before it reads. One byte more has a disk that fails say so.
    return file.read(size + 1)[:size]


def user_path(text: str) -> Path:
    """A path as a user writes it: `~` is the home, and `~name` of nobody is a name like any other.

    Raises `OSError` for one with a zero byte, which no file can have.
    """
    if "\0" in text:
        raise OSError(errno.EINVAL, "its name has a zero byte", text)
    return Path(os.path.expanduser(text))  # noqa: PTH111  # pathlib's raises RuntimeError for `~name`


def cache_folder(name: str) -> Path:
    """Where this user's files lie that can be fetched or found out again; nothing is made here."""
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "prunus" / name


def refuse_device(path: Path) -> None:
    """Raise `OSError` for a device or a pipe, links followed: what reads one may never come to an end."""
    _refuse(path.stat().st_mode, path)


def _refuse(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is a device and no file", str(path))
