"""Blocks of measurements: which there are, which are done, and how their rows reach the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from prunus.spec import Study
from prunus.spec.part import digest
from prunus.store import INTEGERS_FORMAT, NETWORK_FORMAT, BlockRow, FileRow, LatencyRow, MemoryRow, ProblemRow, Store


@dataclass(frozen=True)
class MeasurementBlock:
    """One block: what is measured, of which trials' final networks, side by side.

    runtimes: those that a block of files writes for, all at once, since they may share what they are made of.
    """

    kind: Literal["files", "latency", "memory"]
    trials: tuple[str, ...]
    runtime: str = ""
    batch_size: int = 0
    threads: int = 0
    rounds: int = 0
    warmup: int = 0
    runtimes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`latency-onnxruntime-batch64-threads1`."""
        where = (
            self.runtime,
            f"batch{self.batch_size}" * bool(self.batch_size),
            f"threads{self.threads}" * bool(self.threads),
        )
        return "-".join(part for part in (self.kind, *where) if part)


OF_TRIALS = (NETWORK_FORMAT, INTEGERS_FORMAT)
"""Formats of files that trials write; blocks of files write all others."""


def blocks(study: Study, finished: Sequence[str]) -> Iterator[MeasurementBlock]:
    """All blocks that a study asks for: files first, since what is timed is what was written."""
    asked = study.measurement
    trials = tuple(selected(study, finished))
    if not trials:
        return
    yield MeasurementBlock("files", trials, runtimes=asked.runtimes)
    for runtime in asked.runtimes:
        for batch_size in asked.batch_sizes:
            for threads in asked.threads:
                yield MeasurementBlock("latency", trials, runtime, batch_size, threads, asked.rounds, asked.warmup)
    if asked.memory:
        for runtime in asked.runtimes:
            for batch_size in asked.batch_sizes:
                yield MeasurementBlock("memory", trials, runtime, batch_size)


def selected(study: Study, finished: Sequence[str]) -> Iterator[str]:
    """The finished trials whose final networks are measured; random and longer controls cost what others do."""
    seeds = {"first": study.seeds[:1], "all": study.seeds, "none": ()}[study.measurement.select]
    done, own = set(finished), {recipe.name for recipe in study.recipes}
    alike = {one.recipe.name for one in study.control_recipes if one.kind in ("random", "dense_longer")} - own
    return (
        trial.digest
        for trial in study.trials()
        if trial.seed in seeds and trial.digest in done and (trial.recipe is None or trial.recipe.name not in alike)
    )


def missing_blocks(study: Study, finished: Sequence[str], store: Store) -> list[MeasurementBlock]:
    """The blocks that have not been done as they are asked for now."""
    done = {(row.block, row.asked) for row in store.rows(BlockRow)}
    return [block for block in blocks(study, finished) if (block.name, _asked(block)) not in done]


def store_block(block: MeasurementBlock, rows: Iterable[Any], store: Store) -> None:
    """Put a block's rows in the place of earlier ones, and note that it is done."""
    with store.transaction():
        _clear(block, store)
        store.put([*rows, BlockRow(block.name, _asked(block))])


def store_loss(block: MeasurementBlock, problem: ProblemRow, store: Store) -> None:
    """Put a problem in the place of a block's earlier rows; the block is tried again by the next run."""
    with store.transaction():
        _clear(block, store)
        store.put([problem])


def _clear(block: MeasurementBlock, store: Store) -> None:
    where = {"runtime": block.runtime, "batch_size": block.batch_size}
    if block.kind == "files":
        for written in {row.format for row in store.rows(FileRow)} - set(OF_TRIALS):
            store.delete(FileRow, format=written)
    elif block.kind == "latency":
        store.delete(LatencyRow, **where, threads=block.threads)
    else:
        store.delete(MemoryRow, **where)
    store.delete(ProblemRow, stage=block.name)
    store.delete(BlockRow, block=block.name)


def _asked(block: MeasurementBlock) -> str:
    return digest(asdict(block))
