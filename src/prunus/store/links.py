"""Links in a study's folder that lead out of it: what is written through one would land elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from prunus.errors import StoreError


def refuse_links(folder: Path) -> None:
    """Raise `StoreError` that names the first such link, anywhere in the folder; the folder itself may be one."""
    for link in _links(folder):
        refuse_link(link, folder)


def refuse_link(path: Path, folder: Path) -> None:
    """Raise `StoreError` if a file of the folder is a link that leads out of it."""
    if path.is_symlink() and folder.resolve() not in path.resolve().parents:
        raise StoreError(
            f"{path} is a link to {path.resolve()}",
            "that lies outside of the study's folder, and nothing is read or written there for the study",
            "put what it leads to in its place",
        )


def _links(folder: Path) -> Iterator[Path]:
    """All links below a folder; none is followed."""
    places = [str(folder)]
    while places:
        with os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    places.append(entry.path)
