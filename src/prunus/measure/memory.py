"""How much memory a network takes: the peak of a fresh process with it, less that of the same process without it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from prunus.errors import PrunusError
from prunus.measure._runtime import runtime_of
from prunus.measure.peak import can_be_reset
from prunus.measure.variant import Variant
from prunus.system.children import python_command, search_path


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak resident memory of the process with the network and of the same process without it."""

    peak_bytes: int
    baseline_bytes: int

    @property
    def network_bytes(self) -> int:
        """What the network takes: weights, activations, and what the runtime sets up to run it."""
        return self.peak_bytes - self.baseline_bytes


class MemoryHost:
    """Measures peak memory: a clean process that has imported one runtime, and a fork of it for each measurement.

    Use it as a context manager.

    Args:
        runtime: a registered name; `prunus list runtimes`.
        fresh: start a really new process for each measurement instead, as is done where the kernel keeps no peak that
            can be reset.
        longest_seconds: a measurement that takes longer has failed.

    Raises:
        InputError: there is no such runtime.
        MissingError: the runtime is not installed.
    """

    def __init__(self, runtime: str, *, fresh: bool = False, longest_seconds: int = 600) -> None:
        runtime_of(runtime)
        self.runtime = runtime
        self.fresh = fresh or not can_be_reset()
        self.longest_seconds = longest_seconds
        self._process: subprocess.Popen[str] | None = None
        self._baselines: dict[object, int] = {}

    def __enter__(self) -> MemoryHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def measure(self, variant: Variant, *, batch_size: int, threads: int = 1) -> Memory:
        """Load the variant, run it on one batch, three times, and report the peak.

        Args:
            variant: the network, as files.
            batch_size: inputs of one run.
            threads: of the runtime.

        Returns:
            Peak resident bytes of a process with the network, and of the same process without it.

        Raises:
            PrunusError: the network cannot be loaded or run in the memory there is.
        """
        request = {
            "variant": variant.model_dump(mode="json"),
            "batch_size": batch_size,
            "threads": threads,
            "fresh": self.fresh,
            "seconds": self.longest_seconds,
        }
        alike = (variant.builder and variant.builder.function, variant.input_shape, batch_size)
        if alike not in self._baselines:  # the same imports and the same inputs
            self._baselines[alike] = self._ask({**request, "with_network": False})
        peak = self._ask({**request, "with_network": True})
        return Memory(peak_bytes=peak, baseline_bytes=self._baselines[alike])

    def _ask(self, request: dict[str, Any]) -> int:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(request), file=process.stdin, flush=True)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if self.fresh or not line:
            self._stop()
        answer = json.loads(line) if line else {"error": "the process that measures it ended"}
        if "error" in answer:
            raise PrunusError(f"Memory on {self.runtime} was not measured", answer["error"])
        return int(answer["peak_bytes"])

    def _start(self) -> subprocess.Popen[str]:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(  # noqa: S603
            python_command("prunus.measure.memory_host", self.runtime),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(search_path())},
        )
        return self._process

    def _stop(self) -> None:
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        self._process = None
