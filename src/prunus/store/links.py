"""What no study's folder holds: links that lead out of it, for what is written through one would land elsewhere; pipes
and devices, on which whoever opens one may wait for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from prunus.errors import StoreError


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
        with os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    places.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
