"""A program while it is rewritten: who writes and who reads each name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from prunus.sparse.program import Array, Concat, Operation, Program, Shape
from prunus.sparse.shapes import infer_shapes


class View:
    """The program's names. `writers` and `constants` follow the rewriting, `readers` and `shapes` are the original's.

    readers: how many operations read a name, the program's outputs counted once more.
    """

    def __init__(self, program: Program) -> None:
        self.writers: dict[str, Operation] = {}
        self.constants: dict[str, Array] = dict(program.constants)
        self.shapes: Mapping[str, Shape] = infer_shapes(program)
        self.readers = Counter(name for operation in program.operations for name in operation.reads)
        self.readers.update(program.outputs)

    def number(self, name: str) -> float | None:
        """The value of a constant of one element."""
        value = self.constants.get(name)
        return float(value.reshape(())) if value is not None and value.size == 1 else None

    def add_constant(self, name: str, value: Array) -> str:
        """A new constant; its name, which is another one where that is taken."""
        while name in self.constants or name in self.shapes:
            name += "'"
        self.constants[name] = value
        return name


Rule: TypeAlias = Callable[[Operation, View], Operation | None]
"""Another operation that writes the same output; None where the rule does not apply."""


def rewrite(program: Program, rules: tuple[Rule, ...]) -> Program:
    """Every operation in turn replaced by what the rules make of it, as long as one of them applies."""
    view = View(program)
    for operation in program.operations:
        current = operation
        while (other := _first(rules, current, view)) is not None:
            current = other
        view.writers[current.output] = current
    return without_unread(replace(program, operations=tuple(view.writers.values()), constants=view.constants))


def _first(rules: tuple[Rule, ...], operation: Operation, view: View) -> Operation | None:
    found = (rule(operation, view) for rule in rules)
    return next((other for other in found if other is not None), None)


def without_unread(program: Program) -> Program:
    """The program without operations and constants on which no output depends. Inputs stay."""
    read = set(program.outputs)
    kept: list[Operation] = []
    for operation in reversed(program.operations):
        if operation.output in read:
            kept.append(operation)
            read.update(operation.reads)
    constants = {name: value for name, value in program.constants.items() if name in read}
    return replace(program, operations=tuple(reversed(kept)), constants=constants)


def renamed(operation: Operation, names: Mapping[str, str]) -> Operation:
    """The operation reading other names."""
    if isinstance(operation, Concat):
        return replace(operation, inputs=tuple(names.get(name, name) for name in operation.inputs))
    changed: Any = {
        field: names[value] for field in operation.operands if (value := getattr(operation, field)) in names
    }
    return replace(operation, **changed) if changed else operation
