"""How running out of memory is told from other errors."""

from __future__ import annotations

import torch

OUT_OF_MEMORY = "OutOfMemory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for that there is not; torch says so in words alone on the CPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)
