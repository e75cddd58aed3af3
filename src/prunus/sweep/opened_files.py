"""Files that decide a study's numbers as its data do: Python files that it runs, and what its code opens while data and
networks are made.

Seen are files that Python opens, files that are mapped into memory afterwards, and files that the user's Python files
or the study's settings name. A file that a library of C code opens under a name that is computed is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunus.errors import StoreError
from prunus.models import without_weights
from prunus.models.huggingface import folder_of, weight_files
from prunus.spec import Study
from prunus.store import write_atomically
from prunus.sweep.folder import StudyFolder
from prunus.system.reading import read_whole, user_path
from prunus.system.user_code import INSTALLED, OpenedFiles


def user_files(study: Study) -> list[Path]:
    """In alphabetical order, without running any of them; what is installed in the environment is no user's file."""
    found: set[Path] = set()
    waiting = list(named_files(study))
    while waiting:
        file = waiting.pop()
        if file not in found and file.is_file():
            found.add(file)
            waiting += _imported(file, _folder_of(study, file))
    return sorted(found)


def named_files(study: Study) -> Iterator[Path]:
    """The files of the functions that make its network and its data, and that train."""
    for name in study.functions.values():
        yield user_path(name.rpartition(":")[0]).resolve()


def _folder_of(study: Study, file: Path) -> Path:
    """Where a file's imports are looked for: beside the named file that led to it."""
    above = [named.parent for named in named_files(study) if file.is_relative_to(named.parent)]
    return max(above, key=lambda folder: len(folder.parts), default=file.parent)


def _imported(file: Path, folder: Path) -> Iterator[Path]:
    """The files that its import statements may mean, wherever in it they stand."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # it cannot run either
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _files(folder, name.name)
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else folder
            module = f"{node.module}." if node.module else ""
            for name in node.names:
                yield from _files(base, f"{module}{name.name}")


def _files(folder: Path, name: str) -> Iterator[Path]:
    """`a.b` may be a.py, a/__init__.py, a/b.py and a/b/__init__.py."""
    for part in name.split("."):
        yield folder / f"{part}.py"
        folder = folder / part
        yield folder / "__init__.py"


SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/run/")
SOURCE = (".py", ".pyc")
"""Modules that are imported stay what they are in a process, and code has its own digest."""

PACKAGE = Path(__file__).parents[1]

OPENED_BY_C = (
    ".safetensors", ".h5", ".hdf5", ".parquet", ".arrow", ".feather", ".pt", ".pth", ".onnx", ".npy", ".npz",
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".mp4", ".avi", ".wav", ".flac", ".lmdb",
)  # fmt: skip
"""Endings of data files that libraries open without Python's knowing; others may be of files that are written."""

LARGEST_BYTES = 1 << 24
MAPS = Path("/proc/self/maps")


@dataclass(frozen=True)
class SeenFile:
    """A file as it was: a file with the same signature was not written to since."""

    digest: str
    signature: tuple[int, ...]


def files_of(study: Study, opened: OpenedFiles, folder: StudyFolder) -> dict[str, SeenFile]:
    """The files that a study's own code and trained weights are, or depend on, by path; none where it has neither.

    A digest that is known from an earlier run is taken where the file was not touched since.
    """
    if not study.functions and without_weights(study.model)[1] is None:
        return {}
    known, found = _known(folder), {}
    functions = {str(path) for path in named_files(study)}  # which are read anew for every network
    others = {*opened.read, *_mapped(), *_named(study)} - opened.written
    for path in sorted(functions | {path for path in others if _is_ours(path, folder)}):
        if signature := _signature(path):
            seen = known.get(path)
            found[path] = seen if seen and seen.signature == signature else SeenFile(_digest(path), signature)
    with suppress(OSError):
        write_atomically(folder.file_digests, json.dumps({path: asdict(seen) for path, seen in found.items()}).encode())
    return found


def refuse_changed_files(files: Mapping[str, SeenFile]) -> None:
    """Raise `StoreError` that names a file that is another one by now."""
    for path, seen in files.items():
        if _signature(path) != seen.signature and _digest(path) != seen.digest:
            raise StoreError(
                f"The file {path} has changed since the study was loaded",
                "trials that were begun with it would not be comparable with this one",
                "put it back and continue with --retry-failed, or run the study in another folder",
            )


def _is_ours(path: str, folder: StudyFolder) -> bool:
    installed = any(f"{os.sep}{place}{os.sep}" in path for place in INSTALLED)
    own = (*(f"{place}{os.sep}" for place in (folder.path.resolve(), PACKAGE, sys.prefix, sys.base_prefix)), *SYSTEM)
    return not installed and not path.startswith(own) and not path.endswith(SOURCE)


def _signature(path: str) -> tuple[int, ...]:
    """What changes when a file is written to or replaced; empty where there is no regular file."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return ()
    whole = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return whole if stat.S_ISREG(found.st_mode) else ()


def _digest(path: str) -> str:
    """SHA-256; empty for what cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _known(folder: StudyFolder) -> dict[str, SeenFile]:
    try:
        content: dict[str, Any] = json.loads(read_whole(folder.file_digests, LARGEST_BYTES))
        return {path: SeenFile(seen["digest"], tuple(seen["signature"])) for path, seen in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _mapped() -> Iterator[str]:
    """Files that are mapped into memory as safetensors and NumPy map theirs: not to run, and not to write into them."""
    with suppress(OSError):
        lines = [line.split(maxsplit=5) for line in MAPS.read_text(errors="surrogateescape").splitlines()]
        named = [(words[5], words[1]) for words in lines if len(words) == 6 and words[5].startswith("/")]
        programs = {path for path, rights in named if "x" in rights}  # other parts of which are only read
        yield from (path for path, rights in named if path not in programs and not ("w" in rights and "s" in rights))


def _named(study: Study) -> Iterator[str]:
    """Files that settings name, and data files that texts in the user's files do, from here or from beside those."""
    sources = user_files(study)
    texts = {
        value
        for part in (study.model, study.data, study.task)
        for value in part.settings.values()
        if isinstance(value, str)
    }
    for source in sources:
        with suppress(OSError, SyntaxError, ValueError):
            tree = ast.parse(source.read_bytes())
            constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            texts |= {text for text in constants if isinstance(text, str) and text.lower().endswith(OPENED_BY_C)}
    if folder := folder_of(study.model.name):
        yield from (str(file.absolute()) for file in weight_files(folder))
    for text in texts:
        for place in {Path.cwd(), *(source.parent for source in sources)}:
            with suppress(OSError, ValueError):
                if text and (file := place / Path(text).expanduser()).is_file():
                    yield str(file.absolute())
