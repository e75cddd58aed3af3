"""Which models this user has rehearsed on this machine before: they need no process of their own again.

The record is a list of digests in the user's cache folder. A digest is of the models' bytes and of all that a rehearsal
depends on, so that another version of ONNX Runtime or another machine rehearses anew. Who can write into that folder
could run code as the user anyway. A stranger's file cannot, and a model that ended its rehearsal is not recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from prunus.system.memory import half_of_memory
from prunus.system.processor import processor_info, processor_name
from prunus.system.reading import cache_folder, read_whole

LARGEST_RECORD = 2**18
"""Bytes of the record, of 65 for each model; one that is longer begins anew."""


def digest_of(models: Sequence[bytes]) -> str:
    """The name of a rehearsal of these models, here."""
    from onnxruntime import get_build_info  # type: ignore[attr-defined]

    machine = (processor_name(), processor_info().get("flags", ""), half_of_memory())
    found = hashlib.sha256(repr((get_build_info(), machine)).encode())
    for model in models:
        found.update(hashlib.sha256(model).digest())
    return found.hexdigest()


def is_recorded(digest: str) -> bool:
    """Whether that rehearsal has gone well before."""
    with suppress(OSError):
        return digest.encode() in bytes(read_whole(_record(), 2 * LARGEST_RECORD)).splitlines()
    return False


def record(digest: str) -> None:
    """Keep that it went well; where the folder cannot be written to, nothing is kept."""
    path = _record()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST_RECORD:
            path.unlink()
        with path.open("ab") as file:
            file.write(digest.encode() + b"\n")


def _record() -> Path:
    return cache_folder("rehearsed")
