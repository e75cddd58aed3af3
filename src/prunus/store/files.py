"""Writing files so that a power cut leaves the old one or the new one, never a part, and never through a link."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from prunus.errors import DiskFullError, InputError, StoreError, is_disk_full

TEMPORARY = re.compile(r"\.(lease|(?!checkpoint\.safetensors\.).+\.\d+)\.tmp", re.DOTALL)
"""Names of files that are being written."""

UNKNOWN_TO_FILE_SYSTEM = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What some network and user-space file systems answer to the sync of a folder."""


def file_to_write(path: str | Path) -> Path:
    """The path of a file that a user wants written. Raises `InputError` where there is no place for one."""
    try:
        found = Path(path)
    except TypeError as error:
        raise InputError(f"{path!r} is no path", str(error), "give the name of a file") from None
    if found.is_dir():
        raise InputError(f"{found} can't be written", "it is a folder", "give the name of a file in it")
    if not found.parent.is_dir():
        raise InputError(f"{found} can't be written", f"there is no folder {found.parent}", "make it first")
    return found


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


def files_of(path: Path) -> list[Path]:
    """The file at a path, or all files of the folder there, in the order of their names; links in it are left out."""
    if path.is_symlink() or not path.is_dir():
        return [path]
    found = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sorted(file for file in found if file.is_file() and not file.is_symlink())


def sweep_leftovers(folder: Path) -> None:
    """Remove what processes that were killed have left half written, anywhere in a folder that nobody else writes to.

    Of checkpoints it stays for the trial to tell.
    """
    for path in folder.rglob(".*.tmp"):
        if TEMPORARY.fullmatch(path.name) and not path.is_symlink():
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut, where its file system knows of such."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNKNOWN_TO_FILE_SYSTEM:
            raise
    finally:
        os.close(descriptor)


def utf8(text: str) -> str:
    r"""The text with what is no UTF-8 written out: Python has file names of other bytes as lone surrogates.

    >>> utf8("im\udcffage"), utf8("plain")
    ('im\\udcffage', 'plain')
    """
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def refuse_links(folder: Path) -> None:
    """Raise `StoreError` that names the first of them, anywhere in the folder; the folder itself may be a link."""
    for path in _no_files(folder):
        refuse_link(path, folder)
        if not path.is_symlink():
            raise StoreError(f"{path} is a pipe or a device", "a study's folder holds files alone", "remove it")


def refuse_link(path: Path, folder: Path) -> None:
    """Raise `StoreError` if a file of the folder is a link that leads out of it."""
    if path.is_symlink() and folder.resolve() not in path.resolve().parents:
        raise StoreError(
            f"{path} is a link to {path.resolve()}",
            "that lies outside of the study's folder, and nothing is read or written there for the study",
            "put what it leads to in its place",
        )


def _no_files(folder: Path) -> Iterator[Path]:
    """All below a folder that is neither a file nor a folder; no link is followed."""
    places = [str(folder)]
    while places:
        for entry in _entries(places.pop()):
            if entry.is_dir(follow_symlinks=False):
                places.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"The folder {folder} cannot be looked into", why, "see to its permissions") from None
