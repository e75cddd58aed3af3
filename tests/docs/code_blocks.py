"""The code blocks of a Markdown page, and running each as its info string says.

python            run, all blocks of a page in one namespace
python FILE       written to FILE, for later blocks to use
toml FILE         written to FILE; a study must be valid, a pyproject.toml must be TOML
toml              a part of a study: must be valid beside the parts it leaves out
console, bash     every line after `$ ` is a command; the lines below it are its output, `...` for anything
output            what the Python block before it printed
text              not run; also as a second word: `console text`

`needs:lightning` as a further word: not run where that library is not installed.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunus.spec import load_study
from prunus.sweep.resolve import resolve

FENCE = re.compile(r"^(`{3,}|~{3,})\s*(.*)$")
OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NEEDS = "needs:"
LEFT_OUT = {"data": 'data = "digits"', "model": 'model = "mlp"', "rates": "rates = [0.5]"}


@dataclass(frozen=True)
class CodeBlock:
    """One block; `line` is the line of its first line of content, from 1."""

    line: int
    words: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def file(self) -> str:
        """The file that the block is written to; empty if it is none."""
        return next((word for word in self.words[1:] if not word.startswith(NEEDS)), "")

    @property
    def can_run(self) -> bool:
        needed = [word.removeprefix(NEEDS) for word in self.words if word.startswith(NEEDS)]
        libraries = [library for word in needed for library in word.split(",")]
        return "text" not in self.words and all(importlib.util.find_spec(library) for library in libraries)


def code_blocks(text: str) -> Iterator[CodeBlock]:
    """All fenced blocks, in order. Raises `AssertionError` for one that is never closed."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not (opened := FENCE.match(line)):
            continue
        content = []
        for _, inner in lines:
            if inner.startswith(opened[1]) and not inner.strip(opened[1][0]):
                break
            content.append(inner)
        else:
            raise AssertionError(f"line {number}: the block is never closed")
        yield CodeBlock(number + 1, tuple(opened[2].split()), "\n".join(content) + "\n")


class PageRun:
    """Runs the blocks of one page in a folder of its own."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""
        self.site = folder / ".site"
        programs = folder / ".bin"
        for made in (self.site, programs):
            made.mkdir()
        program = programs / "prunus"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m prunus "$@"\n')
        program.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(self.site), *filter(None, sys.path)]),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }

    def run_all(self, text: str) -> None:
        """Run a page's blocks in order."""
        for block in code_blocks(text):
            self.run(block)

    def run(self, block: CodeBlock) -> None:
        """Run one block. Raises `AssertionError` that names page and line."""
        if not block.can_run:
            return
        kinds = {
            "python": self._python,
            "toml": self._toml,
            "console": self._console,
            "bash": self._console,
            "output": self._output,
        }
        try:
            assert block.language in kinds, (
                f"nobody says how to run {block.language!r}; mark it as `text` if not at all"
            )
            kinds[block.language](block)
        except AssertionError as error:
            raise AssertionError(f"{self.page}:{block.line}: {error}") from None
        except Exception as error:
            raise AssertionError(f"{self.page}:{block.line}: {type(error).__name__}: {error}") from error

    def _python(self, block: CodeBlock) -> None:
        source = "\n" * (block.line - 1) + block.text  # so that tracebacks have the page's own lines
        code = compile(source, str(self.page), "exec", dont_inherit=True)
        if block.file:
            (self.folder / block.file).write_text(block.text)
            return
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, self.namespace)
        self.printed = output.getvalue()

    def _output(self, block: CodeBlock) -> None:
        _compare(block.text, self.printed)

    def _toml(self, block: CodeBlock) -> None:
        table = tomllib.loads(block.text)
        if block.file:
            file = self.folder / block.file
            file.write_text(block.text)
            if file.name == "pyproject.toml":
                return
        else:
            left_out = [line for key, line in LEFT_OUT.items() if key not in table]
            if not {"recipe", "recipes"} & set(table):
                left_out.append('recipes = ["unstructured"]')
            file = self.folder / "part.toml"
            file.write_text("\n".join([*left_out, block.text]))
        resolve(load_study(file))

    def _console(self, block: CodeBlock) -> None:
        for offset, command, shown in _commands(block.text):
            if command == "pip install -e .":
                self._install()
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            where = f"{command!r} (line {block.line + offset})"
            fails = any(line.startswith("error: ") for line in shown.splitlines())
            assert (done.returncode != 0) == fails, f"{where} ended with {done.returncode}:\n{done.stdout}"
            if shown.strip():
                _compare(shown, done.stdout)

    def _install(self) -> None:
        """What pip does with a package of single files, without asking an index for a build backend."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        information = self.site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
        lines = []
        for group, points in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items())]
            for place in points.values():
                file = f"{place.partition(':')[0]}.py"
                shutil.copy(self.folder / file, self.site / file)
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _commands(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, command and shown output of each `$ `."""
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("$ ")]
    assert starts[:1] == [0], "the first line is no command: it must begin with '$ '"
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start, lines[start][2:], "\n".join(lines[start + 1 : end])


def _compare(shown: str, printed: str) -> None:
    same = doctest.OutputChecker().check_output(shown.strip() + "\n", printed.strip() + "\n", OUTPUT)
    assert same, f"the page shows\n{shown}\nand this was printed:\n{printed}"
