"""The native engine, where it was built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from prunus.errors import InputError, MissingError, nearest
from prunus.sparse.plan import SparseExecutor
from prunus.sparse.program import Program
from prunus.system.processor import processor_name


def missing() -> str | None:
    """None where the native module is there, else what is missing and what to do, in one sentence."""
    if find_spec("prunus.sparse._native"):
        return None
    return "its native module was not built; install a C++17 compiler and run: pip install --force-reinstall prunus"


def machine() -> str:
    """The kind of machine, as far as the fastest kernel depends on it: processor and instruction set."""
    return f"{processor_name()}, {isa()}" if missing() is None else processor_name()


def isa() -> str:
    """The instruction set that engines run on: PRUNUS_ISA, else the best that the machine has.

    Raises `InputError` where PRUNUS_ISA names one that is unknown, or that this machine has not.
    """
    from prunus.sparse import _native

    had = _native.isas_of_this_machine()
    wanted = os.environ.get("PRUNUS_ISA", had[-1])
    if wanted in had:
        return wanted
    known = wanted in _native.isas_compiled()
    raise InputError(
        f"PRUNUS_ISA is {wanted!r}",
        "this machine has no such instruction set" if known else "there is no instruction set of that name",
        nearest(wanted, had),
    )


def load_module() -> ModuleType:
    """The native module. Raises `MissingError` where it is not there."""
    if why := missing():
        raise MissingError("The sparse runtime cannot be used here", why)
    return import_module("prunus.sparse._native")


def prepare(
    program: Program, threads: int, choices: Mapping[str, str] | None = None, *, fixed: bool = False
) -> SparseExecutor:
    """An executor of the program, on the kernels that are given, else measured, or chosen by rule where they are fixed.

    Raises `MissingError` where the native module is not there.
    """
    load_module()
    from prunus.sparse.execution.prepared import NativeExecutor

    return NativeExecutor(program, threads, choices or {}, isa(), fixed=fixed)
