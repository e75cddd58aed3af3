"""Measuring the final networks, one block at a time, in one process in which nothing else runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from prunus.errors import PrunusError
from prunus.export import OnnxTemplates, WrittenFile, read_network, write_onnx, write_packed
from prunus.measure import RUNTIMES, MemoryHost, Variant, measure_latency, runtime_of
from prunus.spec import Trial
from prunus.store import LatencyRow, MemoryRow, ProblemRow, write_result
from prunus.sweep.blocks import Block
from prunus.sweep.events import BlockStarted, BlockStep, Event
from prunus.sweep.final import builder
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded, example
from prunus.sweep.trial_rows import file_row

Tell = Callable[[Event], None]


def measure_block(block: Block, folder: StudyFolder, loaded: Loaded, tell: Tell) -> None:
    """Carry out a block and leave its rows; what cannot be measured is a problem row, and the rest goes on."""
    write_result(folder.payoff(block.name), KINDS[block.kind](block, folder, loaded, tell))


def _files(block: Block, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
    """Write every network as ONNX, and packed where the sparse runtime is asked for and there; run it again."""
    tell(BlockStarted(block.name, len(block.trials)))
    templates = OnnxTemplates()
    packs = "prunus" in loaded.study.measurement.runtimes and not RUNTIMES.get("prunus")().available()
    for digest in block.trials:
        try:
            model = read_network(folder.weights(digest), builder(loaded.trials[digest], loaded).build).eval()
            written = write_onnx(model, example(loaded.dataset), folder.onnx(digest), templates)
            yield file_row(digest, written, folder)
            if packs:
                yield file_row(digest, _packed(digest, model, folder, loaded), folder)
        except PrunusError as error:
            yield _problem(digest, block, error)
        tell(BlockStep(block.name))


def _packed(digest: str, model: nn.Module, folder: StudyFolder, loaded: Loaded) -> WrittenFile:
    """The packed file, with the fastest kernels for all that will be measured of it."""
    asked = loaded.study.measurement
    return write_packed(
        folder.onnx(digest),
        model,
        example(loaded.dataset),
        folder.packed(digest),
        batches=asked.batch_sizes,
        threads=asked.threads,
    )


def _latency(block: Block, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
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


def _memory(block: Block, folder: StudyFolder, loaded: Loaded, tell: Tell) -> Iterator[Any]:
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


KINDS: dict[str, Callable[[Block, StudyFolder, Loaded, Tell], Iterator[Any]]] = {
    "files": _files,
    "latency": _latency,
    "memory": _memory,
}


def _variants(block: Block, folder: StudyFolder, loaded: Loaded) -> tuple[dict[str, Variant], list[ProblemRow]]:
    """The networks that have the file that the block's runtime loads; a problem row for each of the others."""
    kind = runtime_of(block.runtime).file_format
    variants, problems = {}, []
    for digest in block.trials:
        variant = _variant(loaded.trials[digest], folder, loaded)
        if kind in variant.files:
            variants[digest] = variant
        else:
            problems.append(ProblemRow(digest, block.name, "MissingFile", f"There is no {kind} file of the network"))
    return variants, problems


def _variant(trial: Trial, folder: StudyFolder, loaded: Loaded) -> Variant:
    digest = trial.digest
    files = {"safetensors": folder.weights(digest), "onnx": folder.onnx(digest), "prunus": folder.packed(digest)}
    return Variant(
        input_shape=loaded.dataset.input_shape,
        files={kind: path for kind, path in files.items() if path.exists()},
        builder=builder(trial, loaded),
    )


def _problem(digest: str | None, block: Block, error: PrunusError) -> ProblemRow:
    return ProblemRow(digest, block.name, type(error).__name__, str(error))
