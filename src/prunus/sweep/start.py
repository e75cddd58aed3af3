"""Starts a process that works with torch: `python -P -m prunus.sweep.start host FOLDER EVENTS`, or `remote FOLDER JOB`.

While modules are imported, a great many objects are made that stay. Python looks for garbage among them again and
again, which takes a sixth of the time that the import of torch takes. Here it does not, then or later.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def main(what: str, *arguments: str) -> None:
    """Run `main` of `prunus.sweep.host` or `prunus.sweep.remote`."""
    gc.disable()
    module = import_module(f"prunus.sweep.{what}")
    gc.freeze()
    gc.enable()
    module.main(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
