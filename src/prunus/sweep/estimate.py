"""How long a study will take: some training steps timed on this machine, multiplied."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from prunus.data import Dataset, Split
from prunus.sweep.loaded import Loaded
from prunus.sweep.trial import begin
from prunus.train import train

TIMED_SECONDS = 2.0
TIMED_BATCHES = 8


def estimate_seconds(loaded: Loaded) -> float:
    """Seconds that the training of all trials takes; exports and measurements come on top.

    Times the unpruned network, one trial alone, on its first batches until 2 s have passed, after one warm-up.
    """
    trial = next(iter(loaded.trials.values()))
    once = trial.training.model_copy(update={"epochs": 1})
    timed = _first(loaded.dataset, TIMED_BATCHES * once.batch_size)
    spent, epochs = 0.0, -1
    while epochs < 1 or spent < TIMED_SECONDS:
        state = begin(trial, timed, loaded.anatomies[None])
        began = time.perf_counter()
        train(state, timed, once, seed=trial.seed)
        epochs += 1
        spent += (time.perf_counter() - began) * (epochs > 0)
    workers = loaded.study.execution.workers or len(os.sched_getaffinity(0))
    share = len(loaded.dataset.train) / len(timed.train)
    rounds = -(-len(loaded.trials) // workers)
    return spent / epochs * share * trial.training.epochs * rounds


def _first(dataset: Dataset, count: int) -> Dataset:
    """The same data set with its first inputs alone; tests shrink in proportion."""
    train_count = min(count, len(dataset.train))
    test_count = max(1, len(dataset.test) * train_count // len(dataset.train))
    return replace(dataset, train=_head(dataset.train, train_count), test=_head(dataset.test, test_count))


def _head(split: Split, count: int) -> Split:
    return Split(split.inputs[:count], split.targets[:count])
