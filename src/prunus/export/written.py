"""A file that was written and checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from prunus.store import write_atomically


@dataclass(frozen=True)
class WrittenFile:
    """A network's file on disk.

    deviation: largest difference of outputs when the file was run again, relative to the largest output; 0 for a
    format whose tensors were read back bit by bit.
    """

    format: str
    path: Path
    size_bytes: int
    sha256: str
    deviation: float


def write_network_file(kind: str, path: Path, content: bytes, deviation: float) -> WrittenFile:
    """Write the file so that a power cut leaves the old one or the new one; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return WrittenFile(kind, path, len(content), hashlib.sha256(content).hexdigest(), deviation)
