"""Packed files of networks: writing them, and engines from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prunus.errors import InputError
from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.native import machine, missing
from prunus.sparse.packing import Choices, read_packed, write_packed


def save(engine: Engine, path: str | Path) -> int:
    """Write an engine's network, and the kernels that were chosen for it on this machine. Bytes of the file."""
    return write_packed(Path(path), (engine.plan,), (_choices(engine),))


def load(path: str | Path, *, batch: int | None = None, threads: int = 1) -> Engine:
    """The engine of a packed file.

    batch: its batch size; may be left out where the file has one. Kernels are measured only where the file does not say
    which are the fastest on this machine, at this batch size, with so many threads.
    Raises `InputError` for a file that is damaged, of a newer version, or not for this batch size, and `MissingError`
    without the native module.
    """
    network = read_packed(Path(path))
    plan = network.plan(batch)
    return Engine(plan, threads, network.kernels(machine(), threads, plan.batch))


def pack(source: str | Path, path: str | Path, *, batches: Sequence[int] = (), threads: Sequence[int] = (1,)) -> int:
    """Write an ONNX file whose first dimension is open as a packed file for any batch size; bytes of the file.

    batches: sizes for which the fastest kernels are measured now, with each of these numbers of threads, so that
    loading need not; where the native module is missing, nothing is measured. A network that has parts for ONNX
    Runtime, or constants as long as the batch, is packed for these sizes alone.
    Raises `InputError` as `from_onnx` does.
    """
    plans = [plan_of(source, batch=batch) for batch in (1, 2)]
    size = write_packed(Path(path), plans)
    network = read_packed(Path(path))
    choices: list[Choices] = []
    for batch in batches:
        try:
            plan = network.plan(batch)
        except InputError:
            plan = plan_of(source, batch=batch)
            plans.append(plan)
        if not missing():
            choices += [_choices(Engine(plan, count)) for count in threads]
    return write_packed(Path(path), plans, choices) if batches else size


def _choices(engine: Engine) -> Choices:
    kernels = tuple(dict(one) for one in engine.choices)
    return Choices(machine=machine(), threads=engine.threads, batch=engine.plan.batch, kernels=kernels)
