"""A study as a trial runner would leave it, made up from a few formulas: the same numbers at every call."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from prunus.spec import Metric, Study, Trial, load_study
from prunus.store import (
    ClassRow,
    CostRow,
    EpochRow,
    FileRow,
    LatencyRow,
    LayerRow,
    MemoryRow,
    MetricRow,
    ProblemRow,
    SessionRow,
    Store,
    TrialRow,
)

CLASS_SIZES = (35, 36, 35, 37, 36, 37, 36, 36, 34, 38)
BITS = 32 * 32


@dataclass(frozen=True)
class LayerShape:
    """A layer of the made-up network."""

    name: str
    kind: str
    inputs: int
    units: int
    kernel: int
    positions: int

    @property
    def weights(self) -> int:
        return self.inputs * self.units * self.kernel


NETWORK = (
    LayerShape("features.0", "conv2d", 1, 32, 9, 64),
    LayerShape("features.3", "conv2d", 32, 64, 9, 16),
    LayerShape("features.6", "conv2d", 64, 128, 9, 16),
    LayerShape("features.8", "conv2d", 128, 128, 9, 16),
    LayerShape("classifier.0", "linear", 512, 256, 1, 1),
    LayerShape("classifier.2", "linear", 256, 10, 1, 1),
)
FINAL = {  # final accuracy by recipe: unpruned, then lost at rate r
    "reference-unstructured": lambda r: 0.982 + 0.004 * r,
    "reference-structured": lambda r: 0.982 - 0.86 * r,
    "reference-structured-protected": lambda r: 0.982 - 0.05 * r**2,
    "unstructured": lambda r: 0.982 - 0.008 * r**4,
    "structured": lambda r: 0.982 - 0.035 * r**3,
}


@dataclass(frozen=True)
class Made:
    """What the study is like."""

    overrides: tuple[str, ...] = ()
    measured: str = "first"  # which seeds: `first`, `all`, `none`
    failed: tuple[int, ...] = ()  # positions in the grid
    running: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()
    instant: bool = False  # costs alone: as many trials as one likes
    source: str = "digits"
    metric: Metric | None = None  # of another task than classification
    value: Callable[[float], float] | None = None  # of that metric where a classifier had this accuracy


def made_study(folder: Path, made: Made | None = None, change: Callable[[Any], Any] | None = None) -> Path:
    """Save a study through the real store; `change` is applied to every row before it is stored."""
    made = made or Made(failed=(7,), running=(19,))
    study = load_study(made.source, made.overrides)
    study = study if made.metric is None else study.model_copy(update={"metric": made.metric})
    folder.mkdir(parents=True, exist_ok=True)
    keep = change or (lambda row: row)
    with Store(folder, create=True) as store, store.transaction():
        store.put([keep(row) for row in _sessions(study)])
        for position, trial in enumerate(study.trials()):
            rows = _trial_rows(study, trial, position, made)
            store.put([keep(row) for row in rows])
            for row in rows:
                if isinstance(row, FileRow):
                    _empty_file(folder / row.path, row.size_bytes)
    return folder


def _empty_file(path: Path, size_bytes: int) -> None:
    """As large as it should be, on no more than a page of the disk."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)


def _trial_rows(study: Study, trial: Trial, position: int, made: Made) -> list[Any]:
    status = "finished"
    for name in ("failed", "running", "waiting"):
        status = name if position in getattr(made, name) else status
    failed = status == "failed"
    epochs = study.training.epochs
    done = {"finished": epochs, "failed": epochs // 3, "running": epochs // 2, "waiting": 0}[status]
    row = TrialRow(
        trial=trial.digest,
        position=position,
        in_study=True,
        recipe=trial.recipe.name if trial.recipe else None,
        pattern=trial.recipe.pattern.name if trial.recipe else None,
        rate=trial.rate,
        seed=trial.seed,
        status=status,
        attempts=0 if status == "waiting" else 1 + failed,
        error_kind="not_finite" if failed else None,
        error="The loss became NaN in epoch 17. The learning rate may be too high. Lower it." if failed else None,
        seconds=12.5 if status == "finished" else None,
        checkpoint_epoch=done if status == "running" else None,
    )
    rows: list[Any] = [row, *(_of_metric(one, made.value) for one in _epoch_rows(trial, done, epochs))]
    if status == "finished" and not made.instant:
        layers = _layer_rows(trial)
        told = _class_rows(trial, epochs) if made.metric is None else _measures(trial)
        rows += [*layers, _cost_row(trial, layers), *told, _weights_row(trial, layers)]
        if made.measured == "all" or (made.measured == "first" and trial.seed == study.seeds[0]):
            rows += _measured_rows(study, trial, layers)
    elif status == "finished":
        rows.append(_cost_row(trial, _layer_rows(trial)))
    return rows


def _random(trial: Trial, what: str) -> np.random.Generator:
    name = trial.recipe.name if trial.recipe else "unpruned"
    return np.random.default_rng([zlib.crc32(f"{name} {what}".encode()), int(100 * trial.rate), trial.seed])


def final_accuracy(trial: Trial) -> float:
    """Where the trial ends, but for noise."""
    name = trial.recipe.name if trial.recipe else "unstructured"
    return FINAL.get(name, FINAL["structured"])(trial.rate)


def _epoch_rows(trial: Trial, done: int, epochs: int) -> list[EpochRow]:
    noise = _random(trial, "epochs").normal(0, 0.004, max(done, 1)) + np.random.default_rng(trial.seed).normal(0, 0.003)
    slowness = 1.6 + 2.5 * trial.rate + 0.2 * trial.seed
    rows = []
    for epoch in range(1, done + 1):
        ramp = trial.rate * min(1.0, epoch / max(0.6 * epochs, 1))
        accuracy = final_accuracy(trial) * (1 - 0.75 * np.exp(-(epoch - 0.4) / slowness)) + noise[epoch - 1]
        accuracy = float(np.clip(accuracy, 0.05, 0.998))
        sparsity = ramp if trial.recipe and trial.recipe.permanence == "permanent" else trial.rate
        correct = round(360 * accuracy)
        rows.append(EpochRow(trial.digest, epoch, 2.3 / epoch, 2.3 / epoch + 0.1, correct, 360, sparsity, 1e-3, 0.21))
    return rows


def _of_metric(row: EpochRow, value: Callable[[float], float] | None) -> EpochRow:
    if value is None:
        return row
    return replace(row, test_correct=None, test_total=None, metric=value(row.metric))


def _measures(trial: Trial) -> list[MetricRow]:
    noise = _random(trial, "measures").normal(0, 0.01, 2)
    worst = math.inf if trial.rate == 0.8 and trial.seed == 0 else 12.5 * (1 + trial.rate)
    return [
        MetricRow(trial.digest, "bias", float(0.02 + noise[0])),
        MetricRow(trial.digest, "R²", float(0.9 - 0.4 * trial.rate + noise[1])),
        MetricRow(trial.digest, "largest error", worst),
    ]


def _layer_rows(trial: Trial) -> list[LayerRow]:
    rows, inputs_left = [], 1.0
    pattern = trial.recipe.pattern.name if trial.recipe else "none"
    for position, shape in enumerate(NETWORK):
        output = position == len(NETWORK) - 1
        protected = trial.recipe is not None and output and "output" in trial.recipe.protect
        asked = trial.rate if trial.recipe and not protected else None
        rate = asked or 0.0
        gone = round(shape.units * rate)
        empty = gone if pattern in ("row", "channel") else 0
        units, weights, nonzero = shape.units, shape.weights, shape.weights
        if pattern == "element":
            nonzero = weights - round(weights * rate)
        elif pattern == "row":
            nonzero = weights // shape.units * (shape.units - gone)
        elif pattern == "channel":  # physically cut
            units, empty = shape.units - gone, 0
            weights = nonzero = round(shape.inputs * inputs_left) * units * shape.kernel
            inputs_left = units / shape.units
        dense, effective = weights * shape.positions, nonzero * shape.positions
        rows.append(
            LayerRow(trial.digest, position, shape.name, shape.kind, protected, output, asked, weights, nonzero, units,
                     empty, dense, effective, dense * BITS, effective * BITS)
        )  # fmt: skip
    return rows


def _cost_row(trial: Trial, layers: list[LayerRow]) -> CostRow:
    biases = sum(row.units for row in layers)
    weights, nonzero = sum(row.weights for row in layers), sum(row.nonzero_weights for row in layers)
    dense, effective = sum(row.dense_macs for row in layers), sum(row.effective_macs for row in layers)
    cut = trial.recipe is not None and trial.recipe.pattern.name == "channel"
    return CostRow(trial.digest, weights + biases, nonzero + biases, weights, nonzero, dense, effective, dense * BITS,
                   effective * BITS, cut, 2.4e-7 if cut else None, "[]")  # fmt: skip


def _class_rows(trial: Trial, epochs: int) -> list[ClassRow]:
    prunes_output = trial.recipe is not None and trial.recipe.pattern.name == "row" and not trial.recipe.protect
    order = _random(trial, "classes").permutation(10)
    empty = set(order[: round(10 * trial.rate)].tolist()) if prunes_output else set()
    winner = min(empty) if empty else None
    rows = _epoch_rows(trial, epochs, epochs)
    accuracy = rows[-1].test_correct / 360 if rows else final_accuracy(trial)
    whole = sum(size for index, size in enumerate(CLASS_SIZES) if index not in empty)
    found = []
    for index, size in enumerate(CLASS_SIZES):
        alive = index not in empty or index == winner
        correct = min(size, round(size * accuracy * 360 / max(whole, 1))) if index not in empty else size // 3 * alive
        found.append(ClassRow(trial.digest, index, f"digit {index}", size, size * alive, correct, index in empty))
    return found


def _weights_row(trial: Trial, layers: list[LayerRow]) -> FileRow:
    size = 4 * (sum(row.weights for row in layers) + sum(row.units for row in layers)) + 1184
    return FileRow(trial.digest, "safetensors", f"models/{trial.digest}.safetensors", size, "0" * 64, 0.0)


def _measured_rows(study: Study, trial: Trial, layers: list[LayerRow]) -> list[Any]:
    share = sum(row.dense_macs for row in layers) / sum(s.weights * s.positions for s in NETWORK)
    bytes_ = 4 * (sum(row.weights for row in layers) + sum(row.units for row in layers))
    rows: list[Any] = [
        FileRow(trial.digest, "onnx", f"models/{trial.digest}.onnx", bytes_ + 6020, "0" * 64, 3.1e-7),
    ]
    measurement = study.measurement
    for base, runtime in zip((0.24, 0.07, 0.11), measurement.runtimes, strict=False):
        for batch in measurement.batch_sizes:
            drift = np.random.default_rng(batch).normal(1, 0.05, measurement.rounds)
            noise = _random(trial, f"{runtime} {batch}").normal(1, 0.02, measurement.rounds)
            fixed = 0.7 if runtime == "torch" and batch == 1 else 0.2
            time = base * (1 + 0.12 * (batch - 1)) * (fixed + (1 - fixed) * share) * drift * noise
            for threads in measurement.threads:
                rows += [
                    LatencyRow(trial.digest, runtime, batch, threads, number, float(value / threads**0.5))
                    for number, value in enumerate(time)
                ]
            peak = 180_000_000 + int(bytes_ * 2.2) + 90_000 * batch
            rows.append(MemoryRow(trial.digest, runtime, batch, peak, 180_000_000))
    if trial.recipe and trial.recipe.name == "reference-structured" and trial.rate == 0.8:
        rows.append(ProblemRow(trial.digest, "export", "NotImplementedError", "ONNX Runtime refused the graph"))
    return rows


def _sessions(study: Study) -> list[SessionRow]:
    machine = {"cpu": "Example CPU @ 2.1 GHz", "cores": 2, "memory_bytes": 25_000_000_000, "system": "Linux 6.1"}
    versions = {"prunus": "0.1.0", "torch": "2.14.1", "numpy": "2.4.0", "python": "3.12.3"}
    first = SessionRow(
        session=1,
        started_at="2026-11-02T09:14:03+00:00",
        ended_at=None,
        outcome=None,
        command=f"prunus run {study.name}",
        study=json.dumps(study.model_dump(mode="json")),
        study_digest=study.digest,
        code_digest="5be1f0c2a7d94e31",
        data_digest="0c4f9d12ab7788ee",
        versions=json.dumps(versions),
        machine=json.dumps(machine),
    )
    return [first, replace(first, session=2, ended_at="2026-11-02T09:17:40+00:00", outcome="failed trials")]


def with_text(row: Any, text: str, keep: tuple[str, ...] = ()) -> Any:
    """The row with `text` in every field of words that is not a key, a status or JSON of the study."""
    fixed = {"trial", "status", "study", "pattern", *keep}
    changed = {
        field.name: f"{text}{value[-12:]}"
        for field in fields(row)
        if field.name not in fixed and isinstance(value := getattr(row, field.name), str)
    }
    return replace(row, **changed)
