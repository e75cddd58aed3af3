"""Operations that move nothing are left out, and reshapes of reshapes become one."""

from __future__ import annotations

from dataclasses import replace

from prunus.sparse.passes.view import View, renamed, without_unread
from prunus.sparse.program import Operation, Pad, Program, Reshape, Slice, Transpose


def drop_aliases(program: Program) -> Program:
    """The program without operations whose output is their input; the program's own outputs stay written."""
    view = View(program)
    same: dict[str, str] = {}
    for operation in program.operations:
        current = _shortened(renamed(operation, same), view)
        if current.output not in program.outputs and _moves_nothing(current, view):
            same[current.output] = current.reads[0]
        else:
            view.writers[current.output] = current
    return without_unread(replace(program, operations=tuple(view.writers.values())))


def _shortened(operation: Operation, view: View) -> Operation:
    """A reshape of a reshape reads what the first one read."""
    if isinstance(operation, Reshape) and isinstance(first := view.writers.get(operation.input), Reshape):
        return replace(operation, input=first.input)
    return operation


def _moves_nothing(operation: Operation, view: View) -> bool:
    if operation.reads[0] in view.constants:
        return False
    if isinstance(operation, Transpose):
        return list(operation.permutation) == sorted(operation.permutation)
    if isinstance(operation, Reshape | Slice | Pad):
        return view.shapes[operation.output] == view.shapes[operation.input]
    return False
