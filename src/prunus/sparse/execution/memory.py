"""Where each tensor lies: memory is given again once nothing reads what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from prunus.sparse.execution.layout import Layout

ALIGNMENT = 16  # floats: a cache line, and a vector of the widest instruction set


@dataclass(eq=False)
class Tensor:
    """A piece of memory that steps write and read; two tensors may share it (`of`).

    base: 0 is the engine's memory; after it come the network's inputs, then its outputs, which the caller owns.
    offset: of its beginning, in floats. doubt: where its writer notes whether all of it is finite; -1 where it does
    not. over: a tensor whose place it may take where its writer is the last that reads that one, since the writer reads
    each element before it writes it.
    """

    layout: Layout
    name: str
    of: Tensor | None = None
    base: int = 0
    offset: int = 0
    doubt: int = -1
    over: Tensor | None = None
    last_use: int = field(default=-1, repr=False)

    @property
    def owner(self) -> Tensor:
        """The tensor whose memory it is."""
        return self.of.owner if self.of else self

    @property
    def start(self) -> int:
        """Where its first element lies."""
        return self.owner.offset + self.layout.lead


def place(tensors: Sequence[tuple[Tensor, int]], first_free: int) -> int:
    """Give each (tensor, step that writes it first) its offset; returns the floats needed in all.

    Memory goes from tensor to tensor of one key only: what steps never write stays zero for all of them.
    """
    free: dict[tuple[int | str, ...], list[list[int]]] = {}  # key -> [step from which it is free, offset, size]
    end = first_free
    for tensor, step in tensors:
        slots = free.setdefault(tensor.layout.key, [])
        ready = [slot for slot in slots if slot[0] < step and slot[2] >= tensor.layout.size]
        replaced = [slot for slot in slots if tensor.over and slot[:2] == [step, tensor.over.offset]]
        if replaced or ready:
            slot = min(replaced or ready, key=lambda slot: slot[2])
        else:
            slot = [0, end, -(-tensor.layout.size // ALIGNMENT) * ALIGNMENT]
            end += slot[2]
            slots.append(slot)
        tensor.offset = slot[1]
        slot[0] = tensor.last_use
    return end
