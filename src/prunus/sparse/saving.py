"""Packed files of networks: writing them for several batch sizes, and engines from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prunus.errors import InputError
from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.native import machine, missing
from prunus.sparse.packing import ChosenKernels, SavedPlan, read_packed, write_packed
from prunus.sparse.plan import Plan


def save(engine: Engine, path: str | Path) -> int:
    """Write an engine's network, and the kernels that were chosen for it on this machine. Bytes of the file."""
    chosen = ChosenKernels(machine(), engine.threads, engine.choices)
    return write_packed(Path(path), (SavedPlan(engine.plan, (chosen,)),))


def load(path: str | Path, *, batch: int | None = None, threads: int = 1) -> Engine:
    """The engine of a packed file, for one of the batch sizes that it holds; `batch` may be left out where it is one.

    Kernels are measured only where the file does not say which are the fastest on this machine with so many threads.
    Raises `InputError` for a file that is damaged, of a newer version, or of other batch sizes, and `MissingError`
    without the native module.
    """
    saved = _for_batch(read_packed(Path(path)), batch, path)
    here = (one.kernels for one in saved.choices if (one.machine, one.threads) == (machine(), threads))
    return Engine(saved.plan, threads, next(here, None))


def pack(source: str | Path, path: str | Path, *, batches: Sequence[int] = (1,), threads: Sequence[int] = ()) -> int:
    """Write an ONNX file as a packed file for several batch sizes, and return the bytes of it.

    threads: numbers of threads for which the fastest kernels are measured now, so that loading need not; where the
    native module is missing, nothing is measured. Raises `InputError` as `from_onnx` does.
    """
    plans = tuple(_measured(plan_of(source, batch=batch), threads) for batch in batches)
    return write_packed(Path(path), plans)


def _measured(plan: Plan, threads: Sequence[int]) -> SavedPlan:
    if missing():
        return SavedPlan(plan)
    return SavedPlan(plan, tuple(ChosenKernels(machine(), count, Engine(plan, count).choices) for count in threads))


def _for_batch(plans: tuple[SavedPlan, ...], batch: int | None, path: str | Path) -> SavedPlan:
    fitting = [saved for saved in plans if batch is None or saved.plan.batch == batch]
    if len(fitting) == 1:
        return fitting[0]
    held = ", ".join(str(saved.plan.batch) for saved in plans)
    why = f"it holds batches of {held}" if plans else "it holds no network"
    asked = "says no batch size" if batch is None else f"has no batches of {batch}"
    what = f"{path} cannot be loaded: the call {asked}" if batch is None else f"{path} {asked}"
    raise InputError(what, why, "ask for one of these, or pack the network again")
