"""From a network to an engine: from an ONNX file, from a module by way of one, or from a packed file, and into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunus.errors import InputError
from prunus.sparse.apart import fold_apart, rehearse
from prunus.sparse.engine import Engine, Kernels, check_kernels
from prunus.sparse.folding import fold
from prunus.sparse.native import machine, missing
from prunus.sparse.onnx_file import fix_sizes, read_onnx
from prunus.sparse.onnx_graph import OnnxGraph
from prunus.sparse.packing import Choices, read_packed, write_packed
from prunus.sparse.partition import leave_whole, partition
from prunus.sparse.plan import ExecutionPlan

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from prunus.export.example import Examples


def compile(  # noqa: A001
    model: nn.Module, example_inputs: Examples, threads: int = 1, *, kernels: Kernels = "measured"
) -> Engine:
    """An engine of the sparse runtime for a module, for inputs of exactly the example's shapes.

    Args:
        model: the network; it is left as it was.
        example_inputs: a tensor, several, or a dictionary of named ones.
        threads: that the engine runs on.
        kernels: "measured" takes the fastest of each layer, timed now; "fixed" gives the same results, bit for bit, in
            every build and with any number of threads, and is slower.

    Returns:
        An engine: `run` takes tensors or arrays, `explain` tells each layer's kernel, `save` writes a packed file.

    Raises:
        InputError: torch cannot export the model.
        MissingError: the native module was not built.

    Example:
        >>> import torch
        >>> layer, inputs = torch.nn.Linear(8, 4), torch.randn(2, 8)
        >>> engine = compile(layer, inputs)
        >>> torch.allclose(engine.run(inputs), layer(inputs), atol=1e-5)
        True
    """
    from prunus.export import write_onnx
    from prunus.export.example import as_tuple, input_names

    with TemporaryDirectory(prefix="prunus-") as folder:
        path = Path(folder) / f"{type(model).__name__}.onnx"
        write_onnx(model, example_inputs, path)
        inputs = zip(input_names(example_inputs), as_tuple(example_inputs), strict=True)
        shapes = {name: tuple(tensor.shape) for name, tensor in inputs}
        return Engine(plan_of(path, shapes=shapes, trusted=True), threads, kernels=kernels)


def from_onnx(
    path: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    threads: int = 1,
    kernels: Kernels = "measured",
) -> Engine:
    """An engine of the sparse runtime for the network in an ONNX file.

    What the native engine does not cover runs in ONNX Runtime; `Engine.explain` says which parts and why.

    Args:
        path: of the file.
        batch: for the inputs' first dimensions that the file leaves open.
        shapes: input -> whole shape, where the file leaves other sizes open.
        threads: that the engine runs on.
        kernels: "measured" or "fixed", as for `compile`.

    Returns:
        An engine for inputs of exactly these shapes.

    Raises:
        InputError: the file cannot be read, takes data from outside of its folder, leaves a size open, or cannot be run
            by ONNX Runtime either.
        MissingError: the native module was not built.

    Example:
        >>> import torch
        >>> from prunus.export import write_onnx
        >>> with TemporaryDirectory() as folder:
        ...     file = write_onnx(torch.nn.Linear(8, 4), torch.randn(1, 8), f"{folder}/a.onnx")
        ...     engine = from_onnx(file.path, batch=2)
        >>> [(port.name, port.shape) for port in engine.inputs]
        [('input', (2, 8))]
    """
    return Engine(plan_of(path, batch=batch, shapes=shapes), threads, kernels=kernels)


def plan_of(
    path: str | Path,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    trusted: bool = False,
) -> ExecutionPlan:
    """What the engine of an ONNX file runs; see `from_onnx`.

    trusted: whether this process wrote the file; what others wrote is loaded first in a process of its own.
    """
    proto = fix_sizes(read_onnx(Path(path)), batch, shapes)
    try:
        plan = partition(OnnxGraph((fold if trusted else fold_apart)(proto, str(path))))
    except InputError as error:
        plan = _left_whole(Path(path), proto, error)
    if batch is not None and plan.inputs and all(port.shape[:1] != (batch,) for port in plan.inputs):
        raise InputError(
            f"{path} cannot be compiled for batches of {batch}",
            f"its input {plan.inputs[0].name!r} is {plan.inputs[0].shape}",
            "export it with the first dimension left open",
        )
    if not trusted:
        rehearse(plan, str(path))
    return plan


def _left_whole(path: Path, fixed: onnx.ModelProto, error: InputError) -> ExecutionPlan:
    """All of a network for ONNX Runtime, as it stands in the file: fixed sizes may contradict a branch never taken.

    Raises the error that it had with fixed sizes where it cannot be loaded without them either.
    """
    plan = leave_whole(read_onnx(path), fixed, f"with fixed sizes: {error.why}")
    try:
        rehearse(plan, str(path))
    except InputError:
        raise error from None
    return plan


FIXED = Choices(machine="", threads=0, batch=None, kernels=())
"""Says in a file that its kernels are chosen by rule, on any machine and at any batch size."""


def load(path: str | Path, *, batch: int | None = None, threads: int = 1) -> Engine:
    """The engine of a packed file; loading it runs no code of it. The example of `pack` loads one.

    Args:
        path: of a file that `pack` or `Engine.save` wrote.
        batch: its batch size; may be left out where the file has one.
        threads: that the engine runs on.

    Returns:
        An engine. Kernels are measured only where the file does not say which to take on this machine at this batch
        size: those of the engine that was saved, so that bits are the same with any number of threads.

    Raises:
        InputError: the file is damaged, of a newer version, or not for this batch size.
        MissingError: the native module was not built.
    """
    network = read_packed(Path(path))
    plan = network.plan(batch)
    rehearse(plan, str(path))
    chosen = network.kernels(machine(), threads, plan.batch)
    return Engine(plan, threads, chosen, kernels="fixed" if network.fixed else "measured")


def pack(
    source: str | Path,
    path: str | Path,
    *,
    batches: Sequence[int] = (),
    threads: Sequence[int] = (1,),
    kernels: Kernels = "measured",
) -> int:
    """Write an ONNX file whose first dimension is open as a packed file for any batch size.

    A network that has parts for ONNX Runtime, or constants as long as the batch, is packed for the given sizes alone.

    Args:
        source: of the ONNX file.
        path: of the packed file.
        batches: sizes for which the fastest kernels are measured now, so that loading need not; where the native module
            is missing, nothing is measured.
        threads: numbers of threads with which they are measured.
        kernels: "fixed", as for `compile`, has every engine of the file choose by rule; nothing is measured then.

    Returns:
        The size of the file in bytes.

    Raises:
        InputError: as for `from_onnx`.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> from prunus.export import write_onnx
        >>> with TemporaryDirectory() as folder:
        ...     file = write_onnx(torch.nn.Linear(8, 4), torch.randn(1, 8), f"{folder}/a.onnx")
        ...     size_bytes = pack(file.path, f"{folder}/a.prunus")
        ...     load(f"{folder}/a.prunus", batch=7).run(torch.randn(7, 8)).shape
        torch.Size([7, 4])
    """
    check_kernels(kernels)
    plans = [plan_of(source, batch=batch) for batch in (1, 2)]
    size = write_packed(Path(path), plans)
    network = read_packed(Path(path))
    choices = [FIXED] if kernels == "fixed" else []
    for batch in batches:
        try:
            plan = network.plan(batch)
        except InputError:
            plan = plan_of(source, batch=batch)
            plans.append(plan)
        if kernels == "measured" and not missing():
            choices += [Engine(plan, count).stored_choices() for count in threads]
    return write_packed(Path(path), plans, choices) if batches or choices else size
