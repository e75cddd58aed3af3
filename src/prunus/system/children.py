"""What a Python process imports from: never from the working folder, which may be a stranger's.

`python -m` and `python -c` put the working folder before Python's own library, and an empty entry of PYTHONPATH stands
for it as well. A `calendar.py` that lies there would run, and a user's own `random.py` would break whatever imports
`random`. This module imports nothing that is not loaded when Python starts.
"""

from __future__ import annotations

import os
import sys


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a process of its own, as `python -m` does."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment for such a process; prunus is found where it was found here."""
    paths = _named_paths()
    home = os.path.abspath(__file__)  # noqa: PTH100  # see above
    for _ in __name__.split("."):
        home = os.path.dirname(home)  # noqa: PTH120
    if os.path.basename(home) != "site-packages" and home not in paths:  # noqa: PTH119
        paths.append(home)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def search_path() -> list[str]:
    """This process's search path without the working folder, unless that was named in PYTHONPATH."""
    here = os.getcwd()  # noqa: PTH109
    named = {os.path.abspath(path) for path in _named_paths()}  # noqa: PTH100
    return [path for path in sys.path if path and (path != here or path in named)]


def started_as_command() -> bool:
    """Whether this process is `prunus` or `python -m prunus`, and no program of the user's that imports it."""
    started = " ".join([*sys.orig_argv, ""])
    return os.path.basename(sys.argv[0]) == "prunus" or " -m prunus " in started  # noqa: PTH119


def leave_working_folder() -> None:
    """Have this process import nothing from the working folder from now on."""
    sys.path[:] = search_path()


def _named_paths() -> list[str]:
    """The entries of PYTHONPATH; an empty one names nothing."""
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
