"""Which local variables of the functions that are running are never read again, as their bytecode tells."""

from __future__ import annotations

import dis
import inspect
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

ACCESS = re.compile(r"(LOAD|STORE|DELETE)_FAST")
"""In the names of instructions on local variables; some are two in one."""

ENDS = ("RETURN", "RAISE", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_ABSOLUTE")
"""How the names of instructions begin behind which nothing is reached but by a jump."""

JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


@dataclass(frozen=True)
class _Liveness:
    """offsets: of the instructions. read: local variables that may be read after each of them."""

    offsets: Sequence[int]
    read: Sequence[frozenset[str]]

    def after(self, offset: int) -> frozenset[str]:
        """The variables that may be read after the instruction at that offset, or around it."""
        return self.read[max(bisect_right(self.offsets, offset) - 1, 0)]


@lru_cache(maxsize=1024)
def _liveness(code: CodeType) -> _Liveness:
    """By going backwards through the code until nothing changes.

    What handles an exception is reached from all that it guards.
    """
    instructions = list(dis.get_instructions(code))
    offsets = [each.offset for each in instructions]
    place = {offset: i for i, offset in enumerate(offsets)}
    following = [
        {
            *(() if each.opname.startswith(ENDS) or i + 1 == len(offsets) else (i + 1,)),
            *((place[each.argval],) if each.opcode in JUMPS else ()),
        }
        for i, each in enumerate(instructions)
    ]
    for first, last, handler in _guarded(code):
        for i in range(bisect_right(offsets, first - 1), bisect_right(offsets, last - 1)):
            following[i].add(place[handler])
    accesses = [_accesses(each) for each in instructions]
    before: list[frozenset[str]] = [frozenset()] * len(offsets)
    after = before.copy()
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(offsets))):
            after[i] = frozenset().union(*(before[j] for j in following[i]))
            read, written = accesses[i]
            known = read | (after[i] - written)
            changed, before[i] = changed or known != before[i], known
    return _Liveness(offsets, after)


def _guarded(code: CodeType) -> Iterator[tuple[int, int, int]]:
    """First and last offset of what an exception is handled for, the last one excluded, and where that is."""
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]  # which no public function gives
        yield entry.start, entry.end, entry.target


def _accesses(instruction: dis.Instruction) -> tuple[frozenset[str], frozenset[str]]:
    """The local variables that an instruction reads, and those that it writes."""
    kinds = ACCESS.findall(instruction.opname)
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    read: set[str] = set()
    written: set[str] = set()
    for kind, name in zip(kinds, names, strict=False):
        if kind != "LOAD":
            written.add(name)
        elif name not in written:
            read.add(name)
    return frozenset(read), frozenset(written)


def unread_locals() -> Counter[int]:
    """Id of an object -> how many local variables of the functions that are running hold it and are not read again."""
    found: Counter[int] = Counter()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found.update(_unread(frame))
        frame = frame.f_back
    return found


def _unread(frame: FrameType) -> list[int]:
    code = frame.f_code
    if not code.co_flags & inspect.CO_OPTIMIZED:  # what runs on a dictionary, such as a module, not a function
        return []
    read = _liveness(code).after(frame.f_lasti).union(code.co_cellvars, code.co_freevars)
    variables = frame.f_locals
    unread = [id(value) for name, value in variables.items() if name not in read]
    if isinstance(variables, dict):
        variables.clear()  # a copy, which up to Python 3.12 stays with the frame and would hold everything
    return unread
