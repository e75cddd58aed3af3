"""Writing files so that a power cut leaves the old one or the new one, never a part."""

from __future__ import annotations

import os
from pathlib import Path

from prunus.errors import DiskFullError, is_disk_full


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, fsync, rename, fsync the folder. Raises `DiskFullError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # never through a link that somebody has put there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise DiskFullError(path) from None
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
