"""Does something with a hostile file in a process of its own, and tells all that came of it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prunus.errors import PrunusError
from prunus.system.forking import fork

EXECUTING = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "pickle.find_class",
             "socket.connect", "socket.bind", "ctypes.dlopen", "webbrowser.open", "exec")  # fmt: skip
WRITING = {"os.rename": (0, 1), "os.remove": (0,), "os.mkdir": (0,), "os.symlink": (1,), "os.link": (1,),
           "os.truncate": (0,), "os.chmod": (0,), "shutil.move": (1,), "sqlite3.connect": (0,)}  # fmt: skip
"""Events of Python's audit hooks, and which of their arguments are paths that are written to."""

SECONDS, LONGEST_SECONDS = 20, 200
"""Of the processor, and by the clock: it may hang without computing."""


@dataclass(frozen=True)
class Verdict:
    """What became of it. forbidden: what was executed, or written outside of the folder; kind: the error's, or ""."""

    kind: str
    on_purpose: bool
    message: str
    forbidden: list[str]
    peak_bytes: int
    signal: int = 0


def confined(act: Callable[[], object], folder: Path) -> Verdict:
    """Act in a fork of this process, which may write into a folder alone; peak_bytes: what it took beside what it had.

    Nothing is prevented, everything is noted.
    """
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        os.close(reading)
        os._exit(_child(act, folder, writing))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not said:
        return Verdict("it died", False, "", [], 0, -ended)
    return Verdict(**json.loads(said))


def _child(act: Callable[[], object], folder: Path, writing: int) -> int:
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # of Lightning, which has torch look for a driver's library
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor: whoever else uses the machine does not matter
    signal.alarm(LONGEST_SECONDS)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    forbidden: list[str] = []
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    before = _peak_bytes()
    over: list[bool] = []
    sys.addaudithook(lambda event, arguments: None if over else _watch(event, arguments, folder, forbidden))
    kind, message, on_purpose = "", "", False
    try:
        act()
    except BaseException as error:
        kind, message, on_purpose = type(error).__name__, str(error), isinstance(error, PrunusError)
    over.append(True)
    content = {"kind": kind, "message": message, "on_purpose": on_purpose, "forbidden": forbidden,
               "peak_bytes": _peak_bytes() - before}  # fmt: skip
    os.write(writing, json.dumps(content).encode())
    return 0


def _watch(event: str, arguments: tuple[object, ...], folder: Path, forbidden: list[str]) -> None:
    if event == "exec" and not _is_ours(arguments[0]):
        forbidden.append(f"ran {arguments[0]}")
    elif event in EXECUTING and event != "exec":
        forbidden.append(f"{event} {arguments[:1]}")
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _note_outside("open", arguments[0], folder, forbidden)
    elif event in WRITING:
        for place in WRITING[event]:
            _note_outside(event, _of_address(arguments[place]), folder, forbidden)


def _of_address(path: object) -> object:
    """The path within the address of a database (`file:PATH?mode=ro`); any other path as it is."""
    address = urlsplit(path) if isinstance(path, str) and path.startswith("file:") else None
    return unquote(address.path) if address else path


def _is_ours(code: object) -> bool:
    """Of a module that is being imported, or made by a library such as dataclasses, not of a file or text of theirs."""
    name = str(getattr(code, "co_filename", ""))
    return (
        name.startswith((sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]), "<")) or "site-packages" in name
    )


def _note_outside(event: str, path: object, folder: Path, forbidden: list[str]) -> None:
    if isinstance(path, int) or path in (os.devnull, ":memory:"):
        return
    place = Path(os.fsdecode(path)).absolute()  # type: ignore[arg-type]
    place = place.resolve() if event != "os.remove" else place.parent.resolve() / place.name
    if folder.resolve() not in (place, *place.parents) and "__pycache__" not in str(place):
        forbidden.append(f"{event} {place}")


def _peak_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
