"""Reading a packed file: nothing of it is believed before it is checked."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from prunus.errors import InputError
from prunus.sparse.packing.constants import PackedConstants, PackedTensors
from prunus.sparse.packing.header import Header, OnnxEntry, PlanEntry, ProgramEntry
from prunus.sparse.packing.stream import DamagedError, Stream, unpack_stream
from prunus.sparse.packing.writing import MAGIC, START, VERSION, ChosenKernels, SavedPlan
from prunus.sparse.plan import OnnxPart, Part, Plan, Port
from prunus.sparse.program import Program
from prunus.sparse.shapes import infer_shapes

LARGEST_HEADER = 2**28


def read_packed(path: Path) -> tuple[SavedPlan, ...]:
    """The plans of a file. Raises `InputError` where it is missing, damaged, cut short, or of a newer version."""
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read", error.strerror or str(error), "check the path") from None
    if len(content) < START.size or content[: len(MAGIC)] != MAGIC:
        raise InputError(f"{path} is not a packed network", "it begins otherwise", "it is damaged, or another format")
    _, version, stored, full, crc = START.unpack_from(content)
    if version != VERSION:
        raise InputError(f"{path} has version {version}", f"this prunus reads version {VERSION}", "update prunus")
    try:
        if full > LARGEST_HEADER:
            raise DamagedError("its header would be too large")
        begin = START.size + stored
        header = _header(content[START.size : begin], full, crc, stored)
        tensors = PackedTensors(header.tensors, content[begin:])
        if tensors.end != len(content) - begin:
            raise DamagedError(f"{tensors.end} bytes of tensors are expected and {len(content) - begin} are there")
        for place in range(len(header.tensors)):
            tensors[place]  # every checksum and size, before anything runs
        return tuple(_saved(entry, tensors) for entry in header.plans)
    except (DamagedError, InputError) as error:
        raise InputError(f"{path} is damaged", str(error), "write it again") from None


def _header(content: memoryview, size: int, crc: int, stored: int) -> Header:
    if len(content) != stored:
        raise DamagedError("it ends within its header")
    text = unpack_stream(Stream(length=stored, zstd=stored != size, crc=crc), content, size)
    try:
        return Header.model_validate(json.loads(bytes(text)))
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(str(error)) from None


def _saved(entry: PlanEntry, tensors: PackedTensors) -> SavedPlan:
    plan = Plan(
        inputs=tuple(Port(port.name, port.dtype, port.shape) for port in entry.inputs),
        outputs=entry.outputs,
        parts=tuple(_part(part, tensors) for part in entry.parts),
        constants=_constants(entry.constants, tensors),
    )
    _check_order(plan)
    programs = sum(isinstance(part, Program) for part in plan.parts)
    choices = tuple(ChosenKernels(one.machine, one.threads, one.kernels) for one in entry.choices)
    if any(len(one.kernels) != programs for one in choices):
        raise DamagedError("its choice of kernels is for another number of programs")
    return SavedPlan(plan, choices)


def _constants(places: dict[str, int], tensors: PackedTensors) -> PackedConstants:
    for name, place in places.items():
        if place >= len(tensors.entries):
            raise DamagedError(f"the constant {name!r} is not among its tensors")
    return PackedConstants(places, tensors)


def _part(entry: ProgramEntry | OnnxEntry, tensors: PackedTensors) -> Part:
    constants = _constants(entry.constants, tensors)
    if any(tensors.entries[place].dtype != "float32" for place in entry.constants.values()):
        raise DamagedError("a constant is not float32")
    if isinstance(entry, OnnxEntry):
        if entry.model >= len(tensors.entries):
            raise DamagedError("a part has no model")
        model = tensors[entry.model].tobytes()
        return OnnxPart(model, entry.inputs, entry.outputs, entry.nodes, constants)
    program = Program(entry.inputs, entry.operations, entry.outputs, constants)
    infer_shapes(program)
    return program


def _check_order(plan: Plan) -> None:
    """Every part reads what is there by then."""
    known = {port.name for port in plan.inputs} | set(plan.constants)
    for part in plan.parts:
        if missing := sorted(set(part.inputs) - known):
            raise DamagedError(f"nothing writes {missing[0]!r} before it is read")
        known.update(part.outputs)
    if missing := sorted(set(plan.outputs) - known):
        raise DamagedError(f"nothing writes its output {missing[0]!r}")
