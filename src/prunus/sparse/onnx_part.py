"""Running a subgraph in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import Any

import numpy.typing as npt

from prunus.errors import MissingError, PrunusError
from prunus.onnx_session import open_session
from prunus.sparse.executor import OperationTiming
from prunus.sparse.plan import OnnxPart


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
