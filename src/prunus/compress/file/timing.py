"""What networks take on runtimes of this machine: files for each, loaded, run again, and timed in the same rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunus.compress.file.network import Array, Feed, FileNetwork, run_over
from prunus.errors import InputError, MissingError, PrunusError
from prunus.export import WrittenFile
from prunus.measure import RUNTIMES, Variant, measure_runs, network_path, runtime_of, unavailable
from prunus.measure.runtimes.openvino import convert
from prunus.report.statistics import Interval, ratio_interval
from prunus.store import write_atomically

ROUNDS = 40
BASELINE = "onnxruntime"
"""Every candidate is compared with the file as it was given on this runtime."""
FOR_RUNTIME = {"onnxruntime": "onnx", "openvino": "openvino", "prunus": "prunus"}
"""Runtimes that take an ONNX file, and the format that it becomes for them."""


def runtimes_here(wanted: Sequence[str]) -> tuple[str, ...]:
    """The runtimes that were asked for, or all that can run a file here. Raises for one that cannot."""
    for name in wanted:
        RUNTIMES.get(name)
        if name not in FOR_RUNTIME:
            raise InputError(
                f"The runtime {name!r} takes no ONNX file",
                "it needs the network's source",
                f"use {', '.join(FOR_RUNTIME)}",
            )
        if reason := unavailable(name):
            raise MissingError(f"The runtime {name!r} cannot be used here", reason)
    return tuple(wanted) or tuple(name for name in FOR_RUNTIME if unavailable(name) is None)


@dataclass(frozen=True)
class Loaded:
    """A network on a runtime: its file, and a call that runs it on inputs of one shape and gives its first output."""

    runtime: str
    file: WrittenFile
    run: Callable[[], Any]
    arrays: Feed

    def outputs(self, model: Path, feeds: Sequence[Feed]) -> Iterator[list[Array]]:
        """All outputs for each of the inputs.

        The first is this runtime's, the others are ONNX Runtime's for the same network, and so is the first for inputs
        of another shape than it was loaded for. model: the network as an ONNX file.
        """
        for feed, outputs in zip(feeds, run_over(model, feeds), strict=True):
            yield [self._first(feed), *outputs[1:]] if self._takes(feed) else outputs

    def _takes(self, feed: Feed) -> bool:
        return all(feed[name].shape == array.shape for name, array in self.arrays.items())

    def _first(self, feed: Feed) -> Array:
        for name, array in self.arrays.items():
            np.copyto(array, feed[name])
        return np.array(self.run())

    def deviation(self, model: Path, feed: Feed) -> float:
        """The largest difference from ONNX Runtime for the same network, relative to the largest output."""
        expected, found = next(run_over(model, [feed]))[0], self._first(feed)
        largest = float(np.abs(expected).max()) or 1.0
        return float(np.abs(found.astype(np.float64) - expected).max()) / largest


def load_on(runtime: str, model: Path, folder: Path, network: FileNetwork, feed: Feed, threads: int) -> Loaded:
    """Write what the runtime takes of an ONNX file into a folder, and load it. Raises `PrunusError` where it cannot."""
    arrays = {port.name: feed[port.name].copy() for port in network.ports}
    made = _written(runtime, model, folder, arrays, threads)
    first, *others = arrays.values()
    variant = Variant(input_shape=first.shape[1:], files={made.format: made.path})
    run = runtime_of(runtime).load(variant, (first, *others) if others else first, threads)
    return Loaded(runtime, made, run, arrays)


def _written(runtime: str, model: Path, folder: Path, feed: Feed, threads: int) -> WrittenFile:
    path = network_path(folder, FOR_RUNTIME[runtime])
    if runtime == "onnxruntime":
        if path != model:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, model.read_bytes())
    elif runtime == "openvino":
        _convert(model, path)
    else:
        from prunus.sparse import from_onnx

        folder.mkdir(parents=True, exist_ok=True)
        from_onnx(model, shapes={name: array.shape for name, array in feed.items()}, threads=threads).save(path)
    return WrittenFile.of(FOR_RUNTIME[runtime], path, 0.0)


def _convert(model: Path, folder: Path) -> None:
    """An ONNX file in OpenVINO's format, weights as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        convert(model, folder)
    except RuntimeError as error:
        raise PrunusError("OpenVINO cannot read the network", str(error).strip().splitlines()[-1]) from error


@dataclass(frozen=True)
class Time:
    """Milliseconds of one run, median, and the ratio to the file as it was on ONNX Runtime, in the same rounds."""

    latency_ms: float
    ratio: Interval


def time_all(loaded: Mapping[str, Loaded], baseline: Loaded, progress: Callable[[int, int], None]) -> dict[str, Time]:
    """Each of them beside the baseline, all in the same rounds of one process."""
    runs = {"": baseline.run, **{name: one.run for name, one in loaded.items()}}
    samples = measure_runs(runs, rounds=ROUNDS, progress=progress)
    times = {name: [one.latency_ms for one in samples if one.variant == name] for name in runs}
    found = {}
    for name, each in times.items():
        ratio = ratio_interval(each, times[""])
        assert ratio is not None, "there are rounds"
        found[name] = Time(float(np.median(each)), ratio)
    return found
