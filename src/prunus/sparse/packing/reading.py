"""Reading a packed file: nothing of it is believed before it is checked; and plans for further batch sizes."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunus.errors import InputError
from prunus.sparse.packing.header import Header, OnnxEntry, PackedConstants, PackedTensors, PlanEntry, ProgramEntry
from prunus.sparse.packing.tensor import DamagedError, Stream, unpack_stream
from prunus.sparse.packing.writing import MAGIC, START, VERSION
from prunus.sparse.plan import ExecutionPlan, OnnxPart, Part, Port
from prunus.sparse.program import Convolution, Linear, Program
from prunus.sparse.shapes import infer_shapes
from prunus.system.reading import read_whole

LARGEST_HEADER = 2**28


@dataclass(frozen=True)
class PackedNetwork:
    """A file that was checked: plans of one network for some batch sizes, from which others follow."""

    path: Path
    header: Header
    tensors: PackedTensors

    def plan(self, batch: int | None = None) -> ExecutionPlan:
        """The plan for a batch size; where there is only one plan, it may be left out.

        Raises `InputError` where the file has none for it, and it does not follow from those that it has.
        """
        plans = self.header.plans
        fitting = [plan for plan in plans if batch in (None, plan.batch)]
        if len(fitting) != 1 and batch is not None and len(plans) >= 2:
            fitting = list(filter(None, [rebatched(plans[0], plans[1], batch)]))
        if len(fitting) != 1:
            self._refuse(batch)
        return plan_from(fitting[0], self.tensors)

    def kernels(self, machine: str, threads: int, batch: int | None) -> tuple[dict[str, str], ...] | None:
        """What was chosen on such a machine, None where nothing was; for so many threads if it can be, else for others.

        Other kernels would give other bits than the engine that was saved.
        """
        chosen = {c.threads: c.kernels for c in self.header.choices if (c.machine, c.batch) == (machine, batch)}
        return chosen.get(0 if self.fixed else threads, next(iter(chosen.values()), None))

    @property
    def fixed(self) -> bool:
        """Whether its kernels are chosen by rule, here as on the machine that wrote it."""
        return any(choices.threads == 0 for choices in self.header.choices)

    def _refuse(self, batch: int | None) -> None:
        held = ", ".join(str(plan.batch) for plan in self.header.plans)
        what = (
            f"{self.path} has no plan for batches of {batch}"
            if batch is not None
            else f"{self.path} has several batch sizes"
        )
        raise InputError(what, f"it holds {held or 'none'}", "say one of these, or pack the network again")


def read_packed(path: Path) -> PackedNetwork:
    """The network of a file. Raises `InputError` where it is missing, damaged, cut short, or of a newer version."""
    try:
        content = read_whole(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read", error.strerror or str(error), "check the path") from None
    return parse_packed(memoryview(content), path)


def parse_packed(content: memoryview, path: Path) -> PackedNetwork:
    """The network in the bytes of a file; see `read_packed`."""
    if len(content) < START.size or content[: len(MAGIC)] != MAGIC:
        raise InputError(f"{path} is not a packed network", "it begins otherwise", "it is damaged, or another format")
    _, version, crc, stored, full = START.unpack_from(content)
    if not 1 <= version <= VERSION:
        raise InputError(f"{path} has version {version}", f"this prunus reads up to version {VERSION}", "update prunus")
    try:
        if zlib.crc32(content[START.size :]) != crc:
            raise DamagedError("its checksum does not fit")
        begin = START.size + stored
        header = _header(content[START.size : begin], stored, full)
        tensors = PackedTensors(header.tensors, content[begin:])
        if tensors.end != len(content) - begin:
            raise DamagedError(f"{tensors.end} bytes of tensors are expected and {len(content) - begin} are there")
        for part in chain.from_iterable(entry.parts for entry in header.plans):
            if isinstance(part, OnnxEntry):
                _model(part, tensors)
        tensors.check()  # every size, before anything runs
        for entry in header.plans:
            plan_from(entry, tensors)
        return PackedNetwork(path, header, tensors)
    except (DamagedError, InputError) as error:
        raise InputError(f"{path} is damaged", str(error), "write it again") from None


def _header(content: memoryview, stored: int, size: int) -> Header:
    if size > LARGEST_HEADER:
        raise DamagedError("its header would be too large")
    if len(content) != stored:
        raise DamagedError("it ends within its header")
    text = unpack_stream(Stream(length=stored, zstd=stored != size), content, size)
    try:
        return Header.model_validate(json.loads(bytes(text)))
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from None


def plan_from(entry: PlanEntry, tensors: PackedTensors) -> ExecutionPlan:
    """The plan of an entry. Raises `DamagedError` or `InputError` where its parts do not fit together."""
    plan = ExecutionPlan(
        inputs=tuple(Port(port.name, port.dtype, port.shape) for port in entry.inputs),
        outputs=entry.outputs,
        parts=tuple(_part(part, tensors) for part in entry.parts),
        constants=_constants(entry.constants, tensors),
    )
    _check_order(plan)
    return plan


def _constants(places: dict[str, int], tensors: PackedTensors) -> PackedConstants:
    for name, place in places.items():
        if place >= len(tensors.entries):
            raise DamagedError(f"the constant {name!r} is not among its tensors")
    return PackedConstants(places, tensors)


def _part(entry: ProgramEntry | OnnxEntry, tensors: PackedTensors) -> Part:
    constants = _constants(entry.constants, tensors)
    whole = _whole_weights(entry) if isinstance(entry, ProgramEntry) else set()
    for name, place in entry.constants.items():
        expected = "int8" if name in whole else "float32"
        if tensors.entries[place].dtype != expected:
            raise DamagedError(f"the constant {name!r} is not {expected}")
    if isinstance(entry, OnnxEntry):
        return OnnxPart(_model(entry, tensors), entry.inputs, entry.outputs, entry.nodes, constants)
    program = Program(entry.inputs, entry.operations, entry.outputs, constants)
    infer_shapes(program)
    return program


def _model(entry: OnnxEntry, tensors: PackedTensors) -> bytes:
    """A part's model, whose bytes are kept: a network that ONNX Runtime runs is little else."""
    if entry.model >= len(tensors.entries):
        raise DamagedError("a part has no model")
    return tensors.model(entry.model)


def _whole_weights(entry: ProgramEntry) -> set[str]:
    """The weights that have a scale: they alone are whole numbers, and nothing else reads them."""
    whole = {
        op.weight for op in entry.operations if isinstance(op, Convolution | Linear) and op.weight_scale is not None
    }
    for op in entry.operations:
        own = op.weight if isinstance(op, Convolution | Linear) and op.weight_scale is not None else None
        others = list(op.reads)
        if own is not None:
            others.remove(own)
        if taken := whole.intersection(others):
            raise DamagedError(f"the weight {min(taken)!r} is read as something else, too")
    return whole


def _check_order(plan: ExecutionPlan) -> None:
    """Every part reads what is there by then."""
    known = {port.name for port in plan.inputs} | set(plan.constants)
    for part in plan.parts:
        if missing := sorted(set(part.inputs) - known):
            raise DamagedError(f"nothing writes {missing[0]!r} before it is read")
        known.update(part.outputs)
    if missing := sorted(set(plan.outputs) - known):
        raise DamagedError(f"nothing writes its output {missing[0]!r}")


def rebatched(first: PlanEntry, second: PlanEntry, batch: int) -> PlanEntry | None:
    """The plan in which every size that differs between the two goes on in a straight line; None where none does.

    A plan's sizes are those of its tensors, where the batch is a factor or a term, so two plans tell them all; what
    does not fit is found when the shapes are inferred anew. Plans whose constants or subgraphs differ have no third.
    """
    if first.batch is None or second.batch is None or first.batch == second.batch or batch < 1:
        return None
    step = second.batch - first.batch
    if (batch - first.batch) % step:
        return None
    try:
        data = _line(first.model_dump(), second.model_dump(), (batch - first.batch) // step)
        return PlanEntry.model_validate(data)
    except (_DifferentError, ValidationError):
        return None


class _DifferentError(Exception):
    """Two plans do not differ in sizes alone."""


FIXED = ("constants", "model")
"""Keys whose numbers are places of tensors, not sizes."""


def _line(first: Any, second: Any, steps: int) -> Any:
    """first + (second - first) * steps, for all integers in data of equal structure.

    >>> _line({"shape": (1, 8), "axis": 1}, {"shape": (2, 8), "axis": 1}, 63)
    {'shape': (64, 8), 'axis': 1}
    """
    if first == second:
        return first
    if type(first) is not type(second):
        raise _DifferentError
    if isinstance(first, int) and not isinstance(first, bool):
        return first + (second - first) * steps
    if isinstance(first, tuple) and len(first) == len(second):
        return tuple(_line(a, b, steps) for a, b in zip(first, second, strict=True))
    if isinstance(first, dict) and first.keys() == second.keys():
        if any(first[key] != second[key] for key in FIXED if key in first):
            raise _DifferentError
        return {key: _line(value, second[key], steps) for key, value in first.items()}
    raise _DifferentError
