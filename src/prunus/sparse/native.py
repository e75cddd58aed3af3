"""The native engine, where it was built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from prunus.errors import MissingError
from prunus.processor import processor_name
from prunus.sparse.executor import Executor
from prunus.sparse.program import Program


def missing() -> str | None:
    """None where the native module is there, else what is missing and what to do, in one sentence."""
    if find_spec("prunus._native"):
        return None
    return "its native module was not built; install a C++17 compiler and run: pip install --force-reinstall prunus"


def machine() -> str:
    """The kind of machine, as far as the fastest kernel depends on it: processor and instruction set."""
    return processor_name()


def prepare(program: Program, threads: int, choices: Mapping[str, str] | None = None) -> Executor:  # noqa: ARG001
    """An executor of the program. Raises `MissingError` where the native module is not there."""
    raise MissingError("The sparse runtime cannot be used here", missing() or "")
