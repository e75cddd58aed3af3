"""One writer per study's folder, by a lock that the operating system lets go of when its holders are gone."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

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
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
