"""A network made ready to run at one batch size: programs on the native engine, the rest in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from prunus.errors import InputError, MissingError, PrunusError, nearest
from prunus.sparse.explain import Explanation, explanation
from prunus.sparse.native import machine, prepare as prepare_natively
from prunus.sparse.packing import Choices as StoredChoices, write_packed
from prunus.sparse.plan import ExecutionPlan, OnnxPart, OperationTiming, Port, SparseExecutor
from prunus.sparse.program import Program
from prunus.store.files import file_to_write
from prunus.system.onnx_session import open_session

if TYPE_CHECKING:
    from torch import Tensor


Choices: TypeAlias = tuple[Mapping[str, str], ...]
"""For every part that is a program, in order: operation -> kernel."""
MOST_THREADS = 1024
Kernels: TypeAlias = Literal["measured", "fixed"]
"""How kernels are chosen: by their time here, or by a rule that knows the layer and the instruction set alone."""
Prepare: TypeAlias = Callable[[Program, int, Mapping[str, str] | None], SparseExecutor]


class Engine:
    """Runs a network on the sparse runtime; `compile`, `from_onnx` and `load` make one.

    Several threads may run one engine: they take turns. A process that was forked from one with an engine may run it
    too.

    Args:
        plan: the parts of the network, in order.
        threads: that it runs on.
        choices: the kernels of an engine of the same plan; without, they are chosen now.
        prepare: what makes a part run; the native engine by default.
        kernels: "measured" takes the fastest, timed now; "fixed" chooses by rule, the same with any number of threads,
            so that results are the same bit for bit.

    Raises:
        InputError: for a number of threads or a choice of kernels that there is not.
        MissingError: memory runs out.
    """

    def __init__(
        self,
        plan: ExecutionPlan,
        threads: int,
        choices: Choices | None = None,
        prepare: Prepare | None = None,
        kernels: Kernels = "measured",
    ):
        if not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
            raise InputError(f"An engine cannot run with {threads!r} threads", "", f"give 1 to {MOST_THREADS}")
        check_kernels(kernels)
        programs = [part for part in plan.parts if isinstance(part, Program)]
        if prepare is None:
            prepare = partial(prepare_natively, fixed=kernels == "fixed")
        if choices is not None and len(choices) != len(programs):  # of another network, or a file that was made up
            choices = None
        chosen = iter(choices or (None,) * len(programs))
        self.plan = plan
        self.threads = threads
        self.kernels = kernels
        self._runs: list[SparseExecutor | OnnxSession] = []
        with _enough_memory("made"):
            for part in plan.parts:
                if isinstance(part, OnnxPart):
                    self._runs.append(OnnxSession(part, threads, alone=not programs))
                else:
                    self._runs.append(prepare(part, threads, next(chosen)))

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What `run` takes, in this order."""
        return self.plan.inputs

    @property
    def choices(self) -> Choices:
        """The kernels chosen, for another engine of the same plan on the same kind of machine."""
        return tuple(run.choices() for run in self._runs if not isinstance(run, OnnxSession))

    def run(self, *inputs: npt.NDArray[Any] | Tensor) -> Any:
        """Run the network once.

        Args:
            inputs: of exactly the shapes and element types of `self.inputs`, as tensors or arrays; what lies in memory
                in order is not copied.

        Returns:
            The network's output, or a tuple of them where there are several: tensors where the first input is one, else
            arrays.

        Raises:
            InputError: the inputs are others. The engine can be run again.
            MissingError: memory runs out. The engine can be run again.
        """
        with _enough_memory("run"):
            arrays = [_array(value, port) for value, port in self._paired(inputs)]
            outputs: tuple[Any, ...] = tuple(self._outputs(arrays))
        if inputs and not isinstance(inputs[0], np.ndarray):
            import torch

            outputs = tuple(torch.from_numpy(np.ascontiguousarray(output)) for output in outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def explain(self, *inputs: npt.NDArray[Any] | Tensor, runs: int = 10) -> Explanation:
        """What runs on which kernel, and how long it takes.

        Args:
            inputs: as `run` takes them; random ones by default.
            runs: of which each time is the median.

        Returns:
            A row for each layer; printing it gives a table.

        Raises:
            InputError: there are no runs.
        """
        if not isinstance(runs, int) or runs < 1:
            raise InputError(f"Times of {runs!r} runs cannot be told", "a median needs one at least", "give runs=10")
        given = inputs or tuple(_random(port) for port in self.inputs)
        tensors = self._tensors([_array(value, port) for value, port in self._paired(given)])
        timed = []
        for part, run in zip(self.plan.parts, self._runs, strict=True):
            timed.append((part, run.timings([tensors[name] for name in part.inputs], runs)))
        return explanation(self.threads, timed)

    def save(self, path: str | Path) -> None:
        """Write one file that `prunus.sparse.load` reads: weights without their zeros, and the kernels chosen here.

        Args:
            path: of the file.

        Raises:
            InputError: the path is a folder, or in none that there is.
        """
        write_packed(file_to_write(path), (self.plan,), (self.stored_choices(),))

    def stored_choices(self) -> StoredChoices:
        """The engine's kernels as a file holds them, for loading on this kind of machine."""
        kernels = tuple(dict(one) for one in self.choices)
        threads = 0 if self.kernels == "fixed" else self.threads
        return StoredChoices(machine=machine(), threads=threads, batch=self.plan.batch, kernels=kernels)

    def _paired(self, inputs: Sequence[Any]) -> list[tuple[Any, Port]]:
        if len(inputs) != len(self.inputs):
            names = ", ".join(port.name for port in self.inputs)
            raise InputError(f"The network was given {len(inputs)} inputs", f"it takes {len(self.inputs)}: {names}")
        return list(zip(inputs, self.inputs, strict=True))

    def _outputs(self, arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        tensors = self._tensors(arrays)
        owned = {port.name for port in self.inputs}.union(self.plan.constants)
        return [tensors[name].copy() if name in owned else tensors[name] for name in self.plan.outputs]

    def _tensors(self, arrays: Sequence[npt.NDArray[Any]]) -> dict[str, Any]:
        """Everything that parts hand to one another."""
        tensors: dict[str, Any] = dict(self.plan.constants)
        tensors |= {port.name: array for port, array in zip(self.inputs, arrays, strict=True)}
        for part, run in zip(self.plan.parts, self._runs, strict=True):
            given = [tensors[name] for name in part.inputs]
            if isinstance(part, Program):
                _check_handed_over(part, given)
            written = run.run(given)
            tensors.update(zip(part.outputs, written, strict=True))
        return tensors


def check_kernels(kernels: str) -> None:
    """Raises `InputError` for a way to choose kernels that there is not."""
    if kernels not in get_args(Kernels):
        raise InputError(f"Kernels cannot be {kernels!r}", "", nearest(kernels, get_args(Kernels)))


@contextmanager
def _enough_memory(act: str) -> Iterator[None]:
    """Within, memory or threads that the system refuses are one clear error. act: what could not be done."""
    try:
        yield
    except MemoryError as error:
        raise MissingError(f"The engine cannot be {act}", f"no memory is left ({error})", "free some memory") from None


def _array(value: Any, port: Port) -> npt.NDArray[Any]:
    """The input as an array in C order. Raises `InputError` where it is not what the port takes."""
    if not isinstance(value, np.ndarray):
        value = _from_torch(value, port)
    what = f"The input {port.name!r} is {value.dtype} {tuple(value.shape)}"
    if value.dtype.name != port.dtype:
        raise InputError(what, f"the engine takes {port.dtype}", f"convert it to {port.dtype}")
    if value.shape != port.shape:
        same = value.ndim == len(port.shape) and value.shape[1:] == port.shape[1:]
        do = f"compile another engine for batches of {len(value)}" if same else "give it in that shape"
        raise InputError(what, f"the engine was made for {port.shape}", do)
    return np.require(value, port.dtype, ["C_CONTIGUOUS", "ALIGNED"])  # in the byte order of this machine


def _check_handed_over(part: Program, given: Sequence[Any]) -> None:
    """What ONNX Runtime wrote must be what the program was made for."""
    for (name, shape), array in zip(part.inputs.items(), given, strict=True):
        if array.dtype != np.float32 or array.shape != tuple(shape):
            what = f"{name!r} is {array.dtype} {array.shape} within the network"
            raise InputError(
                what, f"it was to be float32 {tuple(shape)}", "its sizes depend on the data; please report it"
            )


def _from_torch(value: Any, port: Port) -> npt.NDArray[Any]:
    import torch

    if not isinstance(value, torch.Tensor):
        kind = type(value).__name__
        raise InputError(f"The input {port.name!r} is of type {kind}", "an engine takes numpy arrays and torch tensors")
    try:
        array: npt.NDArray[Any] = value.detach().cpu().numpy()
    except TypeError as error:
        raise InputError(f"The input {port.name!r} is {value.dtype}", str(error), f"give {port.dtype}") from None
    return array


def _random(port: Port) -> npt.NDArray[Any]:
    generator = np.random.default_rng(0)
    if np.issubdtype(np.dtype(port.dtype), np.floating):
        return generator.standard_normal(port.shape).astype(port.dtype)
    return np.full(port.shape, "" if port.dtype == "object" else 0, port.dtype)


class OnnxSession:
    """A part as a session of its own. alone: whether nothing else computes, so that its threads may wait actively."""

    def __init__(self, part: OnnxPart, threads: int, *, alone: bool) -> None:
        self._part, self._threads, self._alone = part, threads, alone
        self._session, self._process = self._start(), os.getpid()
        self._left_behind: Any = None

    def _start(self) -> Any:
        spinning = "1" if self._alone and self._threads > 1 else "0"
        try:
            return open_session(
                self._part.complete_model(), self._threads, {"session.intra_op.allow_spinning": spinning}
            )
        except ImportError as error:
            raise MissingError(
                "The network cannot run", "parts of it need onnxruntime, which is missing", "pip install onnxruntime"
            ) from error
        except Exception as error:  # the library's errors have no common class of their own
            raise PrunusError("ONNX Runtime cannot load a part of the network", str(error)) from error

    def run(self, inputs: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """All outputs of the part."""
        if self._process != os.getpid():  # forked: its threads stayed behind, and it would wait for them
            self._left_behind = self._session
            self._session, self._process = self._start(), os.getpid()
        try:
            outputs: Any = self._session.run(self._part.outputs, dict(zip(self._part.inputs, inputs, strict=True)))
        except Exception as error:  # the library's errors have no common class of their own
            raise PrunusError("ONNX Runtime cannot run a part of the network", str(error)) from error
        return list(outputs)

    def timings(self, inputs: Sequence[Any], runs: int) -> Sequence[OperationTiming]:
        """The part as one operation."""
        times = []
        for _ in range(runs + 1):
            start = perf_counter()
            self.run(inputs)
            times.append((perf_counter() - start) * 1e3)
        name = self._part.nodes[0].name or self._part.outputs[0]
        return (OperationTiming(output=name, kernel="onnxruntime", ms=median(times[1:])),)
