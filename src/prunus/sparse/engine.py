"""A network made ready to run at one batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prunus.errors import InputError
from prunus.sparse.executor import Executor
from prunus.sparse.explain import Explanation, explanation
from prunus.sparse.onnx_part import OnnxSession
from prunus.sparse.plan import OnnxPart, Plan, Port
from prunus.sparse.program import Program

if TYPE_CHECKING:
    from torch import Tensor

Choices: TypeAlias = tuple[Mapping[str, str], ...]
"""For every part that is a program, in order: operation -> kernel."""
Prepare: TypeAlias = Callable[[Program, int, Mapping[str, str] | None], Executor]


class Engine:
    """Runs a plan with so many threads; its kernels are measured when it is made, unless their choice is given.

    Several threads may run one engine: they take turns. A process that was forked from one with an engine may
    run it too.
    """

    def __init__(self, plan: Plan, threads: int, choices: Choices | None = None, prepare: Prepare | None = None):
        if threads < 1:
            raise InputError(f"An engine cannot run with {threads} threads", "", "give 1 or more")
        programs = [part for part in plan.parts if isinstance(part, Program)]
        if prepare is None:
            from prunus.sparse.native import prepare as prepare_natively

            prepare = prepare_natively
        chosen = iter(choices or (None,) * len(programs))
        self.plan = plan
        self.threads = threads
        self._runs: list[Executor | OnnxSession] = []
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
        """The network's output, or a tuple of them where there are several: tensors where the first input is one.

        inputs: of exactly the shapes and element types of `self.inputs`; what lies in memory in order is not copied.
        Raises `InputError` for others.
        """
        arrays = [_array(value, port) for value, port in self._paired(inputs)]
        outputs: tuple[Any, ...] = tuple(self._outputs(arrays))
        if inputs and not isinstance(inputs[0], np.ndarray):
            import torch

            outputs = tuple(torch.from_numpy(np.ascontiguousarray(output)) for output in outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def explain(self, *inputs: npt.NDArray[Any] | Tensor, runs: int = 10) -> Explanation:
        """What ran on which kernel and how long it took, the median of so many runs; inputs are random by default."""
        given = inputs or tuple(_random(port) for port in self.inputs)
        tensors = self._tensors([_array(value, port) for value, port in self._paired(given)])
        timed = []
        for part, run in zip(self.plan.parts, self._runs, strict=True):
            timed.append((part, run.timings([tensors[name] for name in part.inputs], runs)))
        return explanation(self.threads, timed)

    def save(self, path: str | Path) -> None:
        """Write one file that `prunus.sparse.load` reads: weights without their zeros, and the kernels chosen here."""
        from prunus.sparse.saving import save

        save(self, path)

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
