"""Locks of a study's folder: one writer to it, and readers beside a database's writers. The system lets go of both."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from prunus.errors import StoreError


class FolderLock:
    """An advisory lock on `folder/lock`.

    Processes forked while it is held share it: the lock is free only when all of them have ended, so a second run can
    never meet a worker that outlived the first. No process id is trusted; the one in the file is for the message only.
    """

    def __init__(self, folder: Path, patience_seconds: float = 3.0) -> None:
        self.path = folder / "lock"
        self.patience_seconds = patience_seconds
        self.descriptor = -1

    def __enter__(self) -> FolderLock:
        """Take the lock. Raises `StoreError` if it stays taken, or where nothing can be written."""
        try:
            # Never removed: a process that waits would lock a file that has no name any more, beside one that locks a
            # new file. `O_CLOEXEC`, since programs that are started get it only where they are meant to.
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            what = f"The folder {self.path.parent} cannot be written to"
            raise StoreError(what, str(error), "see to its permissions, or choose another --out") from None
        give_up = time.monotonic() + self.patience_seconds
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    holder = os.pread(self.descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                    os.close(self.descriptor)
                    raise StoreError(
                        f"The study in {self.path.parent} is being run by process {holder}",
                        "a study has one writer at a time",
                        "wait until it ends, or stop it and run the same command again to continue",
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                os.close(self.descriptor)
                what, why = f"The folder {self.path.parent} cannot be locked", error.strerror or str(error)
                do = "choose an --out on a disk of this machine, or on a file system that has locks"
                raise StoreError(what, why, do) from None
        # Truncated only now that the lock is held: until then the file names whoever holds it.
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def holders(path: Path) -> str:
    """The processes that hold locks on a file, but for this one, as Linux knows them: `sqlitebrowser (process 123)`."""
    try:
        inode, lines = path.stat().st_ino, Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    found = {}
    for line in lines:
        words = [word for word in line.split() if word != "->"]  # before one that waits
        if len(words) > 5 and words[5].rpartition(":")[2] == str(inode) and words[4] not in ("-1", str(os.getpid())):
            found[words[4]] = _name_of(words[4])
    return " and ".join(f"{name} (process {process})" for process, name in found.items())


def _name_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"


PATIENCE_SECONDS, PAUSE_SECONDS = 30.0, 0.005
PENDING, SHARED, SHARED_BYTES = 0x40000000, 0x40000002, 510  # the bytes that SQLite locks, by its os.h


@contextmanager
def shared_lock(file: BinaryIO, path: Path) -> Iterator[None]:
    """Within, no process writes to the database; one that is about to waits. The locks end when the file is closed.

    Raises `StoreError` where somebody has been writing for too long.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    # In SQLite's order: a writer that waits for readers to leave holds PENDING, so that no new ones come in.
    while not (_lock(file, PENDING, 1) and _lock(file, SHARED, SHARED_BYTES)):
        if time.monotonic() > give_up:
            why = f"another process has been writing to it for {PATIENCE_SECONDS:g} seconds"
            raise StoreError(f"{path} cannot be read", why, "try again later")
        time.sleep(PAUSE_SECONDS)
    yield


def _lock(file: BinaryIO, start: int, length: int) -> bool:
    """Take a read lock on these bytes; False while somebody writes.

    On Linux the lock belongs to the open file and not to the process, so that it also waits for a store that this
    very process has open for writing.
    """
    try:
        if sys.platform == "linux":
            lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
        else:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)  # a disk without locks has no writer: SQLite needs them
    return True
