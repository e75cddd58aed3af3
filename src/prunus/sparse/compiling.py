"""From a network to an engine: an ONNX file, or a module by way of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunus.errors import InputError
from prunus.sparse.engine import Engine
from prunus.sparse.folding import fold
from prunus.sparse.onnx_file import fix_sizes, read_onnx
from prunus.sparse.onnx_graph import Graph
from prunus.sparse.partition import partition
from prunus.sparse.plan import Plan

if TYPE_CHECKING:
    from torch import nn

    from prunus.export.example import Examples


def compile(model: nn.Module, example_inputs: Examples, threads: int = 1) -> Engine:  # noqa: A001
    """An engine for inputs of exactly the example's shapes; the model itself is left as it was.

    Raises `InputError` where torch cannot export the model, `MissingError` without the native module.
    """
    from prunus.export import write_onnx
    from prunus.export.example import as_tuple, input_names

    with TemporaryDirectory(prefix="prunus-") as folder:
        path = Path(folder) / f"{type(model).__name__}.onnx"
        write_onnx(model, example_inputs, path)
        inputs = zip(input_names(example_inputs), as_tuple(example_inputs), strict=True)
        shapes = {name: tuple(tensor.shape) for name, tensor in inputs}
        return from_onnx(path, shapes=shapes, threads=threads)


def from_onnx(
    path: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    threads: int = 1,
) -> Engine:
    """An engine for the network in an ONNX file.

    batch: for the inputs' first dimensions that the file leaves open. shapes: input -> whole shape, where it leaves
    others open. What the native engine does not cover runs in ONNX Runtime, and `Engine.explain` says which and why.

    Raises `InputError` where the file cannot be read, takes data from outside of its folder, leaves a size open, or
    cannot be run by ONNX Runtime either; `MissingError` without the native module.
    """
    return Engine(plan_of(path, batch=batch, shapes=shapes), threads)


def plan_of(path: str | Path, *, batch: int | None = None, shapes: Mapping[str, Sequence[int]] | None = None) -> Plan:
    """What the engine of an ONNX file runs; see `from_onnx`."""
    proto = fix_sizes(read_onnx(Path(path)), batch, shapes)
    plan = partition(Graph(fold(proto, str(path))))
    if batch is not None and plan.inputs and all(port.shape[:1] != (batch,) for port in plan.inputs):
        raise InputError(
            f"{path} cannot be compiled for batches of {batch}",
            f"its input {plan.inputs[0].name!r} is {plan.inputs[0].shape}",
            "export it with the first dimension left open",
        )
    return plan
