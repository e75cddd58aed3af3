"""Making a program shorter without changing what it computes.

What stays out: anything that depends on the machine; that is chosen in `prunus.sparse.execution`.
"""

from __future__ import annotations

from prunus.sparse.passes.fuse import drop_aliases, fuse
from prunus.sparse.passes.recognise import recognise
from prunus.sparse.program import Program

PASSES = (drop_aliases, recognise, fuse, drop_aliases)


def simplify(program: Program) -> Program:
    """All passes in their order."""
    for change in PASSES:
        program = change(program)
    return program
