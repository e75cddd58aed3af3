"""Measuring the final networks, one block at a time, in one process in which nothing else runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from prunus.errors import PrunusError
from prunus.export import OnnxTemplates, WrittenFile, read_network, read_scheme
from prunus.measure import MemoryHost, NetworkFiles, Variant, measure_latency, runtime_of, write_for_all
from prunus.quantization import reattach
from prunus.spec import Trial
from prunus.store import INTEGERS_FORMAT, NETWORK_FORMAT, LatencyRow, MemoryRow, ProblemRow, write_result
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.events import BlockStarted, BlockStep, Event
from prunus.sweep.final import builder, file_row
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded

Tell = Callable[[Event], None]


def measure_block(block: MeasurementBlock, folder: StudyFolder, loaded: Loaded, tell: Tell) -> None:
    """Carry out a block and leave its rows; what cannot be measured is a problem row, and the rest goes on."""
    write_result(folder.measurements(block.name), KINDS[block.kind](block, folder, loaded, tell))


def _files(block: MeasurementBlock, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
    """Have every runtime write what it loads of every network, and run it again."""
    tell(BlockStarted(block.name, len(block.trials)))
    templates, asked = OnnxTemplates(), loaded.study.measurement
    for digest in block.trials:
        try:
            final = WrittenFile.of(NETWORK_FORMAT, folder.network(digest), 0.0)
            model = read_network(final.path, builder(loaded.trials[digest], loaded).build).eval()
            network = NetworkFiles(
                model,
                loaded.task.as_tensors(loaded.example),
                folder.trial(digest),
                written=(final,),
                batch_sizes=asked.batch_sizes,
                threads=asked.threads,
                templates=templates,
                quantized=_quantized(model, folder.network(digest, INTEGERS_FORMAT)),
            )
            yield from (_problem(digest, block, error) for error in write_for_all(block.runtimes, network))
            yield from (file_row(digest, file, folder) for file in network.written.values() if file != final)
        except PrunusError as error:
            yield _problem(digest, block, error)
        tell(BlockStep(block.name))


def _quantized(model: nn.Module, integers: Path) -> nn.Module | None:
    """The network computing with rounded inputs, where its trial left integers of it."""
    if not integers.exists():
        return None
    quantized = copy.deepcopy(model)
    reattach(quantized, read_scheme(integers))
    return quantized


def _latency(block: MeasurementBlock, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
    """Time all networks side by side."""
    tell(BlockStarted(block.name, block.rounds + block.warmup))
    try:
        variants, problems = _variants(block, folder, loaded)
    except PrunusError as error:
        yield _problem(None, block, error)
        return
    yield from problems
    try:
        samples = measure_latency(
            variants,
            runtime=block.runtime,
            batch_size=block.batch_size,
            threads=block.threads,
            rounds=block.rounds,
            warmup=block.warmup,
            progress=lambda done, _total: tell(BlockStep(block.name)) if done else None,
        )
    except PrunusError as error:
        yield _problem(None, block, error)
        return
    for sample in samples:
        yield LatencyRow(
            sample.variant, block.runtime, block.batch_size, block.threads, sample.round, sample.latency_ms
        )


def _memory(block: MeasurementBlock, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
    """Peak memory of a fresh process for every network."""
    tell(BlockStarted(block.name, len(block.trials)))
    try:
        variants, problems = _variants(block, folder, loaded)
        host = MemoryHost(block.runtime)
    except PrunusError as error:
        yield _problem(None, block, error)
        return
    yield from problems
    with host:
        for digest, variant in variants.items():
            try:
                memory = host.measure(variant, batch_size=block.batch_size)
                yield MemoryRow(digest, block.runtime, block.batch_size, memory.peak_bytes, memory.baseline_bytes)
            except PrunusError as error:
                yield _problem(digest, block, error)
            tell(BlockStep(block.name))


KINDS: dict[str, Callable[[MeasurementBlock, StudyFolder, Loaded, Tell], Iterator[Any]]] = {
    "files": _files,
    "latency": _latency,
    "memory": _memory,
}


def _variants(
    block: MeasurementBlock, folder: StudyFolder, loaded: Loaded
) -> tuple[dict[str, Variant], list[ProblemRow]]:
    """The networks that have the file that the block's runtime loads; a problem row for each of the others."""
    kind = runtime_of(block.runtime).file_format
    variants, problems = {}, []
    for digest in block.trials:
        variant = _variant(loaded.trials[digest], kind, folder, loaded)
        if kind in variant.files:
            variants[digest] = variant
        else:
            problems.append(ProblemRow(digest, block.name, "MissingFile", f"There is no {kind} file of the network"))
    return variants, problems


def _variant(trial: Trial, file_format: str, folder: StudyFolder, loaded: Loaded) -> Variant:
    path = folder.network(trial.digest, file_format)
    files = {file_format: path} if path.exists() else {}
    return Variant.taking(loaded.task.as_tensors(loaded.example), files, builder(trial, loaded))


def _problem(digest: str | None, block: MeasurementBlock, error: PrunusError) -> ProblemRow:
    return ProblemRow(digest, block.name, type(error).__name__, str(error))
