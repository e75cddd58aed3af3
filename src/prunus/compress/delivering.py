"""The network in every format asked for, each run again and compared, and measured beside the unpruned one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from prunus.compress.timing import Tell
from prunus.errors import PrunusError
from prunus.export import WrittenFile, write_safetensors
from prunus.measure import (
    MemoryHost,
    ModelBuilder,
    NetworkFiles,
    Variant,
    measure_latency,
    network_path,
    runtime_of,
    write_for_all,
)
from prunus.measure.stopwatch import CopyOf
from prunus.report.statistics import Interval, ratio_interval

NETWORK_FORMAT = "safetensors"
ROUNDS = 100


@dataclass(frozen=True)
class Times:
    """Milliseconds of one run at a batch size, in the same rounds; medians, and the ratio with its interval."""

    batch_size: int
    before_ms: float
    after_ms: float
    before_p95_ms: float
    after_p95_ms: float
    ratio: Interval


@dataclass(frozen=True)
class Delivered:
    """What was written and measured. before: the unpruned network's files; memory in bytes, where it was measured."""

    files: tuple[WrittenFile, ...]
    before: tuple[WrittenFile, ...]
    times: tuple[Times, ...]
    memory: tuple[int, int] | None
    problems: tuple[str, ...]


def write_files(
    network: nn.Module, example: Any, folder: Path, runtimes: Sequence[str], batch_sizes: Sequence[int], threads: int
) -> tuple[tuple[WrittenFile, ...], tuple[str, ...]]:
    """The files of all runtimes, and what went wrong with those that are not there."""
    own = write_safetensors(network, network_path(folder, NETWORK_FORMAT))
    files = NetworkFiles(network, example, folder, written=(own,), batch_sizes=batch_sizes, threads=(threads,))
    problems = tuple(str(error) for error in write_for_all(runtimes, files))
    return tuple(files.written.values()), problems


def deliver(
    unpruned: nn.Module,
    network: nn.Module,
    example: Any,
    out: Path,
    *,
    runtime: str,
    formats: Sequence[str],
    batch_sizes: Sequence[int],
    threads: int,
    builder: ModelBuilder | None,
    tell: Tell,
) -> Delivered:
    """Write the network to `out`, the unpruned one to `out/unpruned`, and measure both side by side.

    What cannot be written or measured is among the problems. builder: makes the unpruned network in another process;
    without it, memory is not measured on a runtime that needs it.
    """
    runtimes = tuple(dict.fromkeys([runtime, *formats]))
    tell("writing the files, and running each of them again")
    after, problems = write_files(network, example, out, runtimes, batch_sizes, threads)
    before, _ = write_files(unpruned, example, out / "unpruned", runtimes, batch_sizes, threads)
    wanted = runtime_of(runtime).file_format
    if wanted not in {file.format for file in after} & {file.format for file in before}:
        return Delivered(after, before, (), None, problems)
    variants = {
        name: Variant.taking(example, {file.format: file.path for file in files}, builder or CopyOf(unpruned))
        for name, files in (("before", before), ("after", after))
    }
    times = []
    for batch_size in batch_sizes:
        tell(f"timing both networks on {runtime} at batch {batch_size}")
        times.append(_times(variants, runtime, batch_size, threads))
    memory, more = _memory(variants, runtime, batch_sizes[0], threads, builder)
    return Delivered(after, before, tuple(times), memory, (*problems, *more))


def _times(variants: dict[str, Variant], runtime: str, batch_size: int, threads: int) -> Times:
    import numpy as np

    samples = measure_latency(variants, runtime=runtime, batch_size=batch_size, threads=threads, rounds=ROUNDS)
    of = {name: [one.latency_ms for one in samples if one.variant == name] for name in variants}
    ratio = ratio_interval(of["after"], of["before"])
    assert ratio is not None, "there are rounds"
    (before, before_p95), (after, after_p95) = (np.percentile(of[name], (50, 95)) for name in ("before", "after"))
    return Times(batch_size, float(before), float(after), float(before_p95), float(after_p95), ratio)


def _memory(
    variants: dict[str, Variant], runtime: str, batch_size: int, threads: int, builder: ModelBuilder | None
) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Peak bytes of both networks; or why they were not measured."""
    with_builder = {name: one.model_copy(update={"builder": builder}) for name, one in variants.items()}
    try:
        with MemoryHost(runtime) as host:
            before, after = (
                host.measure(with_builder[name], batch_size=batch_size, threads=threads).network_bytes
                for name in ("before", "after")
            )
    except PrunusError as error:
        return None, (str(error),)
    return (before, after), ()
