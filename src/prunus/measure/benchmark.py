"""One network's file sizes, latency and memory on the runtimes asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunus.errors import PrunusError
from prunus.measure._latency import Progress, measure_latency
from prunus.measure._network_files import NetworkFiles, network_path
from prunus.measure._runtime import write_for_all
from prunus.measure.memory import Memory, MemoryHost
from prunus.measure.variant import ModelBuilder, Variant
from prunus.store import NETWORK_FORMAT

if TYPE_CHECKING:
    from torch import nn

    from prunus.export import WrittenFile

Report = Callable[[str], Progress]
"""What is being measured -> where to tell its progress."""


@dataclass(frozen=True)
class BenchmarkRow:
    """One runtime at one batch size and number of threads; latencies in milliseconds per run of the whole batch."""

    runtime: str
    batch_size: int
    threads: int
    rounds: int
    p50_ms: float
    p95_ms: float
    memory: Memory | None


@dataclass(frozen=True)
class Benchmark:
    """Everything that was measured, and in words what could not be."""

    files: tuple[WrittenFile, ...]
    rows: tuple[BenchmarkRow, ...]
    problems: tuple[str, ...]


def benchmark(
    model: nn.Module,
    builder: ModelBuilder,
    input_shape: tuple[int, ...],
    *,
    folder: Path,
    runtimes: Sequence[str],
    batch_sizes: Sequence[int],
    threads: Sequence[int],
    rounds: int,
    report: Report,
) -> Benchmark:
    """Write the model's files into a folder and measure them. What fails on one runtime does not stop the others."""
    import torch

    from prunus.export import write_safetensors

    own = write_safetensors(model, network_path(folder, NETWORK_FORMAT))
    network = NetworkFiles(
        model, torch.zeros(1, *input_shape), folder, written=(own,), batch_sizes=batch_sizes, threads=threads
    )
    problems = [str(error) for error in write_for_all(runtimes, network)]
    files = tuple(network.written.values())
    variant = Variant(input_shape=input_shape, files={file.format: file.path for file in files}, builder=builder)
    rows = []
    for runtime in runtimes:
        try:
            with MemoryHost(runtime) as host:
                for count in threads:
                    for batch_size in batch_sizes:
                        progress = report(f"{runtime}, batch {batch_size}, threads {count}")
                        rows.append(_row(variant, host, batch_size, count, rounds, progress, problems))
        except PrunusError as error:
            problems.append(f"{runtime}: {error}")
    return Benchmark(files, tuple(rows), tuple(problems))


def _row(
    variant: Variant,
    host: MemoryHost,
    batch_size: int,
    threads: int,
    rounds: int,
    progress: Progress,
    problems: list[str],
) -> BenchmarkRow:
    samples = measure_latency(
        {"": variant},
        runtime=host.runtime,
        batch_size=batch_size,
        threads=threads,
        rounds=rounds,
        progress=progress,
    )
    times = [sample.latency_ms for sample in samples]
    p50, p95 = (float(value) for value in np.percentile(times, (50, 95)))
    try:
        memory = host.measure(variant, batch_size=batch_size, threads=threads)
    except PrunusError as error:
        problems.append(str(error))
        memory = None
    return BenchmarkRow(host.runtime, batch_size, threads, rounds, p50, p95, memory)
