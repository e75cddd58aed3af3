"""The rows of a store: one frozen class per table, its fields the table's columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Status = Literal["waiting", "running", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One cell of the study. `recipe` and `pattern` are None for the unpruned control."""

    trial: str  # digest of the trial's specification
    position: int  # order in the study's grid
    in_study: bool  # False: left from an earlier version of the study
    recipe: str | None
    pattern: str | None
    rate: float  # asked for
    seed: int
    status: Status
    attempts: int
    error_kind: str | None  # of a failed trial: an exception's name, `killed`, `not_finite`
    error: str | None
    seconds: float | None  # from the trial's start to its result, all attempts together
    checkpoint_epoch: int | None  # epochs that a running or interrupted trial has behind it


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch of one trial; tested just after the epoch's pruning. Epochs count from 1."""

    trial: str
    epoch: int
    train_loss: float
    test_loss: float
    test_correct: int | None  # of a classification; None where the task counts no answers
    test_total: int | None
    sparsity: float  # share of all prunable weights that is zero, protected layers included
    learning_rate: float
    seconds: float
    metric: float = math.nan  # of the task, a share where its unit is %; answers that are counted decide it

    def __post_init__(self) -> None:
        if math.isnan(self.metric) and self.test_correct is not None and self.test_total:
            object.__setattr__(self, "metric", self.test_correct / self.test_total)


@dataclass(frozen=True, slots=True)
class CostRow:
    """Computed cost of a final network, for one input; the words are those of docs/protocol.md."""

    trial: str
    parameters: int
    nonzero_parameters: int
    prunable_weights: int
    nonzero_weights: int  # of the prunable ones
    dense_macs: int
    effective_macs: int
    dense_bops: int
    effective_bops: int
    shrunk: bool  # the network was physically cut, and this is the cost of the cut one
    shrink_deviation: float | None  # largest |masked - shrunk| output, relative to the largest output
    not_counted: str  # JSON list of operations that the counter does not know


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Computed cost of one layer of a final network, and what became of it."""

    trial: str
    position: int  # order of execution
    layer: str
    kind: str  # `conv2d`, `linear`, `matmul`, ...
    protected: bool
    output: bool  # the network's output layer
    rate: float | None  # asked of this layer; None where nothing was
    weights: int
    nonzero_weights: int
    units: int  # output rows (channels)
    empty_units: int  # output rows without a non-zero weight
    dense_macs: int
    effective_macs: int
    dense_bops: int
    effective_bops: int
    weight_bits: int | None = None  # with which it computes; None where an earlier version did not store it
    activation_bits: int | None = None  # of its input


@dataclass(frozen=True, slots=True)
class ClassRow:
    """What a final network makes of one class of the test data."""

    trial: str
    class_index: int
    class_name: str
    test_count: int  # test inputs that are of this class
    predicted_count: int  # test inputs that the network calls so
    correct_count: int
    output_row_zero: bool  # all weights of the class's output row are zero


@dataclass(frozen=True, slots=True)
class MetricRow:
    """What else the task counts of a final network, beside the metric that networks are compared by."""

    trial: str
    name: str  # `balanced accuracy`, `recall of cat`, `RMSE`, ...
    value: float


NETWORK_FORMAT = "safetensors"
"""The format in which every trial writes its final network; all others are made of it, for runtimes."""
INTEGERS_FORMAT = "integers"
"""The format in which a trial writes the integers of a final network that is quantised, and their scales."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file written for a final network. `path` is relative to the study's folder."""

    trial: str
    format: str  # `NETWORK_FORMAT`, or that of a runtime
    path: str
    size_bytes: int
    sha256: str
    deviation: float | None  # largest relative difference of outputs when the file was run again


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One timed run. Variants with equal (runtime, batch_size, threads) and round ran side by side."""

    trial: str
    runtime: str
    batch_size: int
    threads: int
    round: int
    latency_ms: float


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """Peak resident memory of a fresh process that loads the network and runs it."""

    trial: str
    runtime: str
    batch_size: int
    peak_bytes: int  # of the process
    baseline_bytes: int  # of the same process without the network


STORE_STAGE = "store"
"""The stage of problems that are the store's own: something of it is lost."""


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """Something that could not be done or measured, in words; nothing is left out silently."""

    trial: str | None
    stage: str  # `shrink`, `export`, `latency`, `memory`, ...
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block of measurements that is done, and a digest of what it was asked to measure."""

    block: str
    asked: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One `prunus run` on the study's folder."""

    session: int
    started_at: str  # ISO 8601, UTC
    ended_at: str | None
    outcome: str | None  # `finished`, `failed trials`, `interrupted`; None while running or after a kill
    command: str
    study: str  # JSON, resolved
    study_digest: str
    code_digest: str
    data_digest: str
    versions: str  # JSON: package -> version
    machine: str  # JSON: what the machine is
    files: str = "{}"  # JSON: what the study's own code opened while data and networks were made -> digest
