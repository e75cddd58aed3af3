"""The Python files of the user's that a study runs: those that it names, and their neighbours that those import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from prunus.spec import Study


def user_files(study: Study) -> list[Path]:
    """In alphabetical order, without running any of them; what is installed in the environment is no user's file."""
    found: set[Path] = set()
    waiting = list(_named(study))
    while waiting:
        file = waiting.pop()
        if file not in found and file.is_file():
            found.add(file)
            waiting += _imported(file, _folder_of(study, file))
    return sorted(found)


def _named(study: Study) -> Iterator[Path]:
    for part in (study.model, study.data):
        path, _, _ = part.name.rpartition(":")
        if path.endswith(".py"):
            yield Path(path).expanduser().resolve()


def _folder_of(study: Study, file: Path) -> Path:
    """Where a file's imports are looked for: beside the named file that led to it."""
    above = [named.parent for named in _named(study) if file.is_relative_to(named.parent)]
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
