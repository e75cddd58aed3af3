"""Making a program shorter without changing what it computes."""

from __future__ import annotations

from prunus.sparse.passes.aliases import drop_aliases
from prunus.sparse.passes.fuse import fuse
from prunus.sparse.passes.recognise import recognise
from prunus.sparse.program import Program

PASSES = (drop_aliases, recognise, fuse)


def simplify(program: Program) -> Program:
    """All passes in their order."""
    for change in PASSES:
        program = change(program)
    return program
