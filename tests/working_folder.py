"""A working folder full of traps: a file for every module that Python or a library might import from it."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

MARK = "imported.txt"
LIBRARIES = ("numpy", "torch", "typer", "rich", "onnx", "ray", "submitit", "pydantic", "safetensors", "lazy_loader")


@cache
def _loaded_at_start() -> frozenset[str]:
    """Modules that Python itself imports before it runs anything; nobody can keep those from a working folder."""
    command = [sys.executable, "-P", "-c", "import runpy, sys; print(*sys.modules)"]
    return frozenset(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def set_traps(folder: Path) -> Path:
    """Write the files; returns the one in which it is noted which of them ran."""
    mark = folder / MARK
    for name in (*sys.stdlib_module_names, *LIBRARIES):
        if not name.startswith("_") and name not in _loaded_at_start():
            note = f"open({str(mark)!r}, 'a').write('{name} ')\nraise ImportError('a trap')\n"
            (folder / f"{name}.py").write_text(note)
    return mark
