"""Timing networks in memory, each beside the unpruned one, on one runtime."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import PrivateAttr

from prunus.measure._latency import measure_latency
from prunus.measure._network_files import NetworkFiles
from prunus.measure._runtime import runtime_of, write_for
from prunus.measure.variant import ModelBuilder, Variant, input_kinds
from prunus.spec.part import Frozen

if TYPE_CHECKING:
    from torch import nn

ROUNDS, THOROUGH_ROUNDS = 40, 100


class Place(Frozen):
    """Where a latency is measured: runtime, batch size, number of threads."""

    runtime: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        return f"{self.runtime}, batch {self.batch_size}, {self.threads} thread{'s' * (self.threads > 1)}"


class Timed(Frozen):
    """Milliseconds of one run of a network, and of the unpruned one in the same rounds."""

    p50_ms: float
    p95_ms: float
    unpruned_p50_ms: float
    rounds: int


class Stopwatch:
    """Writes networks as files into a folder of its own, which goes when it is left, and times them.

    unpruned: stays on the CPU and as it is. example_inputs: a tensor (batch, ...), a tuple of several, or a dictionary.
    Raises `InputError` for a runtime that is unknown and inputs that are not of this kind, `MissingError` for a runtime
    that is not there.
    """

    def __init__(self, unpruned: nn.Module, example_inputs: Any, place: Place) -> None:
        from torch import Tensor
        from torch.utils._pytree import tree_map_only

        from prunus.export import OnnxTemplates

        input_kinds(example_inputs)  # raises for what runtimes are not given
        runtime_of(place.runtime)
        self.place = place
        self.inputs = tree_map_only(Tensor, lambda tensor: tensor.detach().cpu()[:2], example_inputs)
        self.templates = OnnxTemplates()
        self._builder = CopyOf(unpruned)
        self._folder = TemporaryDirectory(prefix="prunus-latency-")
        self._unpruned = self._variant(unpruned, "unpruned")
        self._unpruned_ms: list[float] = []

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    @property
    def unpruned_ms(self) -> float:
        """The median over all rounds so far."""
        return median(self._unpruned_ms)

    def steady_ms(self, network: nn.Module) -> float:
        """The ratio to the unpruned network, times that one's median latency: what drifts, drifts for both.

        It is a ratio of lower quartiles: whatever else a machine does makes runs longer, never shorter.
        """
        own, unpruned = (float(np.percentile(times, 25)) for times in self._rounds(network, ROUNDS))
        return own / unpruned * self.unpruned_ms

    def time(self, network: nn.Module) -> Timed:
        """Median and 95th percentile of 100 runs."""
        own, unpruned = self._rounds(network, THOROUGH_ROUNDS)
        p50, p95 = (float(value) for value in np.percentile(own, (50, 95)))
        return Timed(p50_ms=p50, p95_ms=p95, unpruned_p50_ms=median(unpruned), rounds=THOROUGH_ROUNDS)

    def _rounds(self, network: nn.Module, rounds: int) -> tuple[list[float], list[float]]:
        samples = measure_latency(
            {"unpruned": self._unpruned, "pruned": self._variant(network, "pruned")},
            runtime=self.place.runtime,
            batch_size=self.place.batch_size,
            threads=self.place.threads,
            rounds=rounds,
        )
        own, unpruned = (_of(samples, name) for name in ("pruned", "unpruned"))
        self._unpruned_ms += unpruned
        return own, unpruned

    def _variant(self, network: nn.Module, name: str) -> Variant:
        """The network as the file that the runtime takes."""
        files = NetworkFiles(
            network,
            self.inputs,
            Path(self._folder.name) / name,
            batch_sizes=(self.place.batch_size,),
            threads=(self.place.threads,),
            templates=self.templates,
        )
        write_for(self.place.runtime, files)
        written = {file.format: file.path for file in files.written.values()}
        return Variant.taking(self.inputs, written, self._builder)


class CopyOf(ModelBuilder):
    """Builds copies of a network in memory; for this process alone."""

    function: str = ""
    _network: Any = PrivateAttr()

    def __init__(self, network: nn.Module) -> None:
        super().__init__(function="")
        self._network = network

    def prepare(self) -> None:
        """Nothing is to be imported."""

    def build(self) -> nn.Module:
        """A copy."""
        return copy.deepcopy(self._network)  # type: ignore[no-any-return]


def _of(samples: Iterable[Any], name: str) -> list[float]:
    return [sample.latency_ms for sample in samples if sample.variant == name]
