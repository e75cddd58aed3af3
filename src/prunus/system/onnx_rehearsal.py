"""Loading and running models that may be a stranger's in a process of their own, which imports as little as it can.

This process is most of what loading a small network takes: ONNX Runtime alone is imported in less than half of the time
of the packages that read and fold such models.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prunus.errors import InputError
from prunus.system import memory
from prunus.system.onnx_session import open_session

REFUSAL = "refusal.txt"
"""What such a process writes where it has no result: the error's words."""
REFUSED = 3
"""The exit code of a process that wrote a refusal; with any other it died."""

NUMPY_NAMES = {"float": "float32", "double": "float64", "bool": "bool", "string": "object"}
"""Element types of ONNX Runtime that numpy calls otherwise; float16 and integers have the same name in both."""


def refusing(task: Callable[[], None], folder: Path, name: str, most_bytes: int) -> int:
    """Do it with so much memory at most, and return the exit code; an error is written into the folder.

    name: what the user calls the model.
    """
    try:
        with memory.memory_limit(most_bytes):
            task()
    except Exception as error:  # whatever a library makes of a file that was written to break it
        said = error if isinstance(error, InputError) else InputError(f"ONNX Runtime cannot load {name}", words(error))
        (folder / REFUSAL).write_text("\0".join((said.what, said.why, said.do)), encoding="utf-8")
        return REFUSED
    return 0


def words(error: Exception) -> str:
    """What a library's error says."""
    if isinstance(error, MemoryError):
        return "it takes more than half of this machine's memory"
    return str(error) or type(error).__name__


def rehearse(folder: Path) -> None:
    """Load each model of a folder and run it once on zeros, where it can be run on them."""
    for path in sorted(folder.glob("*.onnx")):
        session = open_session(path)
        with suppress(Exception):  # of the library, which has no common class
            session.run(None, {given.name: _zeros(given) for given in session.get_inputs()})


def _zeros(given: Any) -> Any:
    """An input for a port of a session; sizes that depend on the data are 1."""
    import numpy as np

    kind = given.type.removeprefix("tensor(").removesuffix(")")
    dtype = np.dtype(NUMPY_NAMES.get(kind, kind))
    shape = tuple(size if isinstance(size, int) else 1 for size in given.shape)
    return np.full(shape, "", dtype) if dtype.hasobject else np.zeros(shape, dtype)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    sys.exit(refusing(lambda: rehearse(FOLDER), FOLDER, sys.argv[2], int(sys.argv[3])))
