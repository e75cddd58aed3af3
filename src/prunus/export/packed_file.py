"""Packing a network's ONNX file for the sparse runtime, which runs it again before it counts as written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from prunus.errors import PrunusError
from prunus.export.comparison import LIMIT, deviation, outputs
from prunus.export.example import as_tuple, at_batch
from prunus.export.written import WrittenFile
from prunus.sparse import load, pack


def write_packed(
    onnx: Path,
    model: nn.Module,
    example_inputs: Tensor | Sequence[Tensor],
    path: Path,
    *,
    batches: Sequence[int] = (),
    threads: Sequence[int] = (1,),
) -> WrittenFile:
    """Pack the ONNX file of a model in evaluation mode, run it at batch sizes 1 and 3, and compare it with the model.

    batches, threads: for which the fastest kernels are measured now. Raises `InputError` where the file cannot be
    packed, `PrunusError` where it deviates by more than 1e-4, `MissingError` without the native module.
    """
    size = pack(onnx, path, batches=batches, threads=threads)
    largest = 0.0
    try:
        for batch in sorted({1, 3}):
            given = at_batch(as_tuple(example_inputs), batch, seed=batch)
            found = load(path, batch=batch).run(*(tensor.numpy() for tensor in given))
            found = found if isinstance(found, tuple) else (found,)
            largest = max(largest, deviation(outputs(model, given), found))
        if largest > LIMIT:
            raise PrunusError(
                f"The packed file of {type(model).__name__} does not compute what the network does",
                f"its outputs differ by {largest:.1e} of the largest one, and {LIMIT:.0e} is the limit",
                "it was not written; please report the network",
            )
    except PrunusError:
        path.unlink(missing_ok=True)
        raise
    return WrittenFile("prunus", path, size, hashlib.sha256(path.read_bytes()).hexdigest(), largest)
