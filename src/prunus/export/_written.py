"""A network's file or files that were written and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prunus.store import write_atomically
from prunus.store.files import files_of


@dataclass(frozen=True)
class WrittenFile:
    """A network on disk: one file, or a folder where the format consists of several.

    Attributes:
        format: such as `onnx`.
        path: where it is.
        size_bytes: of the file, or of all files of the folder.
        sha256: of its bytes, or those of all files in the order of their names, in hexadecimal digits.
        deviation: largest difference of outputs when the file was run again, relative to the largest output; 0 for a
            format whose tensors were read back bit by bit.
    """

    format: str
    path: Path
    size_bytes: int
    sha256: str
    deviation: float

    @classmethod
    def of(cls, kind: str, path: Path, deviation: float) -> WrittenFile:
        """Describe what lies at a path, which has been run again."""
        digest, size = hashlib.sha256(), 0
        for file in files_of(path):
            content = file.read_bytes()
            digest.update(content)
            size += len(content)
        return cls(kind, path, size, digest.hexdigest(), deviation)


def write_network_file(kind: str, path: Path, content: bytes, deviation: float) -> WrittenFile:
    """Write the file so that a power cut leaves the old one or the new one; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return WrittenFile.of(kind, path, deviation)


def write_network_files(kind: str, path: Path, contents: Mapping[str, bytes], deviation: float) -> WrittenFile:
    """Write a format of several files as a folder; a power cut leaves each of them as it was, or new."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(path / name, content)
    return WrittenFile.of(kind, path, deviation)
