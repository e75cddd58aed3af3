"""Functions that a user names in a specification: `path/to/file.py:function`."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from prunus.errors import InputError, PrunusError, nearest
from prunus.system.reading import read_whole, user_path

LARGEST_BYTES = 1 << 26
PREFIX = "prunus_user_"  # of the names under which user's files stand in `sys.modules`
INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class UserFunction:
    """A function from a user's file; `file_digest` is the SHA-256 of the file it was read from."""

    reference: str
    file: Path
    function: Callable[..., Any]
    signature: inspect.Signature
    file_digest: str

    def accepts(self, key: str) -> bool:
        """Whether the function can be given this keyword."""
        return key in self.keywords or any(each.kind is each.VAR_KEYWORD for each in self.signature.parameters.values())

    def default(self, key: str) -> Any:
        """The default that the function gives this keyword, or None."""
        parameter = self.signature.parameters.get(key)
        return None if parameter is None or parameter.default is parameter.empty else parameter.default

    @property
    def keywords(self) -> tuple[str, ...]:
        """The keywords that the function names."""
        return tuple(
            name
            for name, each in self.signature.parameters.items()
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        )

    def __call__(self, **settings: Any) -> Any:
        """Call it. Raises `InputError` that names the setting that does not fit, or the line that failed."""
        name = f"The function {self.reference}"
        for key in settings:
            if not self.accepts(key):
                raise InputError(f"{name} has no setting {key!r}", "", nearest(key, self.keywords))
        try:
            self.signature.bind(**settings)
        except TypeError as error:
            raise InputError(f"{name} cannot be called", str(error), "give it as a setting") from None
        try:
            with _of_the_user():
                return self.function(**settings)
        except (PrunusError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit, CancelledError and groups of errors are no Exception
            raise InputError(f"{name} failed", describe(error), "correct it") from error


class OpenedFiles:
    """Paths of the files that Python opens while a user's code runs. What a library's C code opens is not seen.

    read, written: by how they were opened; a file may be in both.
    """

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook (PEP 578)."""
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path, flags = os.path.abspath(os.fsdecode(arguments[0])), arguments[2]  # noqa: PTH100  # quick, and links stay
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            (self.written if writes else self.read).add(path)


_users_code: list[OpenedFiles] = []
"""Where opened files are noted at this moment; empty while none of the user's code runs."""

_asked: list[OpenedFiles] = []
"""Where they are to be noted once some does."""


@contextmanager
def opened_files() -> Iterator[OpenedFiles]:
    """The files that the user's code opens within."""
    if not _hook_is_set:
        _hook_is_set.append(True)
        sys.addaudithook(_note)  # it stays for good
    found = OpenedFiles()
    _asked.append(found)
    try:
        yield found
    finally:
        _asked.remove(found)


_hook_is_set: list[bool] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    for found in _users_code:
        found.note(event, arguments)


@contextmanager
def _of_the_user() -> Iterator[None]:
    """Within, the user's code runs."""
    before = list(_users_code)
    _users_code[:] = _asked
    try:
        yield
    finally:
        _users_code[:] = before


def is_reference(name: str) -> bool:
    """Whether a name stands for a function in a file rather than for a built-in part."""
    return ".py:" in name or name.endswith(".py")


def load_function(reference: str) -> UserFunction:
    """Run the file of `path/to/file.py:function` and return the function.

    A file is run once in a process, again only when its content has changed. Its folder is added at the end of
    Python's search path, so that it can import its neighbours. Raises `InputError` that names file and line.
    """
    path, _, name = reference.rpartition(":")
    if not name or not path.endswith(".py"):
        raise InputError(f"The name {reference!r} names no function", "", "write path/to/file.py:function")
    try:
        file = user_path(path).resolve()
        source = read_whole(file, LARGEST_BYTES)
    except OSError as error:
        raise InputError(f"The file {path} cannot be read", error.strerror or str(error), "check the path") from None
    module = _run(file, source)
    if not hasattr(module, name):
        functions = [key for key, value in vars(module).items() if inspect.isroutine(value) or inspect.isclass(value)]
        raise InputError(f"The file {file} has no function {name!r}", "", nearest(name, functions))
    function = getattr(module, name)
    if not callable(function):
        what = f"The name {name!r} in {file} cannot be called"
        raise InputError(what, f"it is {type(function).__name__}", "name a function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InputError(f"The function {reference} cannot be called", str(error), "wrap it in a function") from None
    return UserFunction(reference, file, function, signature, hashlib.sha256(source).hexdigest())


_run_files: set[str] = set()
"""Names of the modules of users' files in this process; Python's own table of modules has thousands."""


def _run(file: Path, source: bytes) -> ModuleType:
    """The module of a file's content; it stays in `sys.modules`, where classes and pickles look for it."""
    name = PREFIX + hashlib.sha256(bytes(file) + b"\0" + source).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(file)
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    sys.modules[name] = module
    _run_files.add(name)
    try:
        code = compile(source, str(file), "exec", dont_inherit=True)  # not this file's future imports
        with _of_the_user():
            exec(code, vars(module))  # noqa: S102  # the user asked to run this file
    except BaseException as error:
        why = describe(error)
        del sys.modules[name]
        if isinstance(error, (PrunusError, KeyboardInterrupt)):
            raise
        raise InputError(f"The file {file} cannot be imported", why, "correct the file") from error
    return module


def user_modules() -> dict[str, ModuleType]:
    """The modules that are the user's, by name: the files that were named, and those beside and below them."""
    named = {name: sys.modules[name] for name in _run_files if name in sys.modules}
    if not named:
        return {}
    folders = {f"{Path(module.__file__ or '').parent}{os.sep}" for module in named.values()}
    return {name: module for name, module in list(sys.modules.items()) if name in named or _is_below(module, folders)}


def _is_below(module: ModuleType, folders: set[str]) -> bool:
    """Whether a module's file is the user's; what is installed below a user's folder, in a virtual one, is not."""
    file = getattr(module, "__file__", None) or ""
    return file.startswith(tuple(folders)) and not any(f"{os.sep}{place}{os.sep}" in file for place in INSTALLED)


def describe(error: BaseException) -> str:
    """An error in one line, with the innermost line of a user's file: `line 3 of mine.py, in load: KeyError: 'x'`."""
    kind, message = type(error).__name__, _message(error).strip().partition("\n")[0]
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"line {error.lineno} of {Path(error.filename).name}: {kind}: {error.msg}"
    what = f"{kind}: {message}" if message else kind
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _user_files()]
    if not own:
        return what
    inside = "" if own[-1].name == "<module>" else f", in {own[-1].name}"
    return f"line {own[-1].lineno} of {Path(own[-1].filename).name}{inside}: {what}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as another:  # a user's class of errors may fail at this, too
        return f"its message cannot be read ({type(another).__name__})"


def _user_files() -> set[str | None]:
    return {module.__file__ for name, module in list(sys.modules.items()) if name.startswith(PREFIX)}
