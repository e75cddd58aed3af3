"""Writing plans as one packed file."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prunus.sparse.packing.header import Choices, Header, OnnxEntry, PlanEntry, PortEntry, ProgramEntry
from prunus.sparse.packing.tensor import PackedTensor, pack_stream, pack_tensor
from prunus.sparse.plan import ExecutionPlan, OnnxPart, Part
from prunus.store.files import write_atomically

MAGIC = b"prunus\x00\x1a"
VERSION = 2
"""The newest; files without anything that came with it are of version 1."""
START = struct.Struct("<8sIIII")
"""magic, version, CRC-32 of everything that follows, bytes of the header in the file and in full"""


def write_packed(path: Path, plans: Sequence[ExecutionPlan], choices: Sequence[Choices] = ()) -> int:
    """Write plans of one network, constants of equal content once, and return the bytes of the file.

    A power cut leaves the old file or the new one.
    """
    tensors = _Tensors()
    entries = tuple(_plan(plan, tensors) for plan in plans)
    header = Header(plans=entries, tensors=tuple(tensors.entries), choices=tuple(choices))
    data, version = _oldest(header)
    text = json.dumps(data, separators=(",", ":")).encode()
    _, stored = pack_stream(text)
    rest = b"".join((stored, *tensors.contents))
    content = START.pack(MAGIC, version, zlib.crc32(rest), len(stored), len(text)) + rest
    write_atomically(path, content)
    return len(content)


SINCE_2 = ("weight_scale", "sum_rounding", "rounding")
"""Fields of operations, which are absent where they are none."""


def _oldest(header: Header) -> tuple[dict[str, Any], int]:
    """The header as data, and the first version in which it can be read."""
    data = header.model_dump(mode="python")
    operations = [op for plan in data["plans"] for part in plan["parts"] for op in part.get("operations", ())]
    for operation in operations:
        for field in SINCE_2:
            if field in operation and operation[field] is None:
                del operation[field]
    masked = any(t.dtype == "int8" and t.nonzero < math.prod(t.shape) for t in header.tensors)
    newer = masked or any(not operation.keys().isdisjoint(SINCE_2) for operation in operations)
    return data, 2 if newer else 1


class _Tensors:
    """What is to be written, each content once."""

    def __init__(self) -> None:
        self.entries: list[PackedTensor] = []
        self.contents: list[bytes] = []
        self._places: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def place(self, array: npt.NDArray[Any]) -> int:
        array = np.asarray(array, order="C")
        key = (array.dtype.name, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._places:
            self._places[key] = len(self.entries)
            entry, content = pack_tensor(array)
            self.entries.append(entry)
            self.contents.append(content)
        return self._places[key]

    def places(self, constants: Mapping[str, npt.NDArray[Any]]) -> dict[str, int]:
        return {name: self.place(array) for name, array in constants.items()}


def _plan(plan: ExecutionPlan, tensors: _Tensors) -> PlanEntry:
    return PlanEntry(
        inputs=tuple(PortEntry.model_validate(vars(port)) for port in plan.inputs),
        outputs=plan.outputs,
        parts=tuple(_part(part, tensors) for part in plan.parts),
        constants=tensors.places(plan.constants),
    )


def _part(part: Part, tensors: _Tensors) -> ProgramEntry | OnnxEntry:
    places = tensors.places(part.constants)
    if isinstance(part, OnnxPart):
        model = tensors.place(np.frombuffer(part.model, np.uint8))
        return OnnxEntry(model=model, inputs=part.inputs, outputs=part.outputs, nodes=part.nodes, constants=places)
    return ProgramEntry(inputs=dict(part.inputs), operations=part.operations, outputs=part.outputs, constants=places)
