"""The training loop, and the device that it runs on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prunus.data import Dataset
from prunus.data.stream import size_of
from prunus.errors import InputError, MissingError, NotFiniteError
from prunus.spec import Training
from prunus.tasks import Task
from prunus.tasks.batch import Batch
from prunus.train.batches import training_batches
from prunus.train.evaluate import evaluate
from prunus.train.seeds import seed_everything
from prunus.train.shrinking import narrow, widen
from prunus.train.state import EpochResult, TrainingState


def train(
    state: TrainingState,
    dataset: Dataset,
    training: Training,
    *,
    seed: int,
    after_epoch: Callable[[TrainingState], None] = lambda _: None,
    length: float | None = None,
) -> TrainingState:
    """Train from where the state is to the last epoch, prune and test after each, and call `after_epoch`.

    length: in epochs, where the last one is not whole; the learning rate then goes step by step, so that a training of
    less than an epoch has all of its schedule.

    What an epoch does depends on the state before it, the seed and the epoch's number alone, so that a training that
    was interrupted between two epochs ends with the same bits. Raises `NotFiniteError` when the loss is not finite.
    """
    device = next(state.model.parameters()).device
    if not state.epochs:
        _prune(state, 0)
        if state.pretrained:
            state.epochs.append(_tested(state, dataset, 0, math.nan, 0.0, time.perf_counter()))
    for epoch in range(state.done + 1, training.epochs + 1):
        began = time.perf_counter()
        seed_everything(seed, "training", epoch)
        learning_rate = scheduled_learning_rate(training, *state.pruner.learning_rate_place(epoch))
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        found = training_batches(dataset, training, seed, epoch, device, state.task)
        if length is not None:
            found = _step_by_step(found, state, training, epoch, length, len(dataset.train))
        loss = _train_epoch(state, found, training, dataset)
        if not math.isfinite(loss):
            raise NotFiniteError(
                f"The loss was {loss} in epoch {epoch}",
                f"the training diverged at a learning rate of {learning_rate:g}",
                "lower training.learning_rate, or look for values that are not finite in the data",
            )
        _prune(state, epoch)
        state.epochs.append(_tested(state, dataset, epoch, loss, learning_rate, began))
        after_epoch(state)
    return state


def _tested(
    state: TrainingState, dataset: Dataset, epoch: int, train_loss: float, learning_rate: float, began: float
) -> EpochResult:
    device = next(state.model.parameters()).device
    tested = evaluate(state.model, dataset, dataset.test, device, state.task)
    if math.isfinite(tested.loss) and not math.isfinite(tested.metric):
        raise NotFiniteError(
            f"The {state.task.metric.name} was {tested.metric} after epoch {epoch}",
            "the loss on the test data was a number, so that the metric is not defined on these data",
            "look at the targets of the test data, or choose another metric",
        )
    return EpochResult(
        epoch=epoch,
        train_loss=train_loss,
        test_loss=tested.loss,
        metric=tested.metric,
        test_correct=tested.correct,
        test_total=tested.total,
        sparsity=state.pruner.sparsity(),
        learning_rate=learning_rate,
        seconds=time.perf_counter() - began,
    )


def _prune(state: TrainingState, epoch: int) -> None:
    """Prune the whole network if the schedule says so, and train on what is left."""
    if not state.pruner.acts_after(epoch):
        return
    widen(state)
    rewound = state.pruner.after_epoch(epoch, state.optimizer)
    narrow(state, anew=rewound)


def _step_by_step(
    batches: Iterator[Batch], state: TrainingState, training: Training, epoch: int, length: float, inputs: int
) -> Iterator[Batch]:
    """The batches of an epoch as far as the training goes, each with a learning rate of its own."""
    seen = 0
    for batch in batches:
        done = epoch - 1 + min(seen / inputs, 1)
        if done >= length:
            return
        for group in state.optimizer.param_groups:
            group["lr"] = scheduled_learning_rate(training, done + 1, length)
        yield batch
        seen += size_of(batch)


def scheduled_learning_rate(training: Training, epoch: float, epochs: float) -> float:
    """The learning rate of an epoch, from 1 to the number of epochs; 1.5 is the middle of the first one."""
    done = (epoch - 1) / epochs
    factor = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "step": 0.1 ** ((done >= 0.5) + (done >= 0.75)),
    }
    return training.learning_rate * factor[training.learning_rate_schedule]


def _train_epoch(state: TrainingState, batches: Iterator[Batch], training: Training, dataset: Dataset) -> float:
    """One pass over the training data. Returns the mean loss over what the task counts."""
    model, optimizer, masked = state.model.train(), state.optimizer, state.plan is None
    half = training.precision == "bf16"
    device = next(model.parameters()).device
    losses, counts = [], []
    for batch in batches:
        if not (count := state.task.count(batch[1])):
            continue  # of padding alone
        with torch.autocast(device.type, torch.bfloat16, enabled=half), explained(state.task, batch[1], dataset):
            loss = training_loss(model, batch, state.task, training, state.teacher)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if masked:
            state.pruner.step()
        losses.append(loss.detach())
        counts.append(count)
    if not counts:
        raise InputError("There is nothing to train on", "no target of the training data counts", "give some")
    return float(torch.stack(losses).cpu().double() @ torch.tensor(counts, dtype=torch.float64)) / sum(counts)


@contextmanager
def explained(task: Task, targets: Any, dataset: Dataset) -> Iterator[None]:
    """Where a loss cannot be computed because of a target that no task could take, say so in place of torch."""
    try:
        yield
    except (IndexError, RuntimeError, ValueError, TypeError):
        task.check_targets(targets, dataset)
        raise


def training_loss(
    model: nn.Module, batch: Batch, task: Task, training: Training, teacher: nn.Module | None = None
) -> Tensor:
    """The loss of a batch: of its targets, and of what a teacher makes of the same inputs, where there is one."""
    inputs, targets = batch
    outputs = task.run(model, inputs, targets)
    loss = task.training_loss(outputs, targets, training.label_smoothing)
    how = training.distillation
    if teacher is None or how is None:
        return loss
    with torch.no_grad():
        taught = task.run(teacher, inputs, targets)
    return (1 - how.weight) * loss + how.weight * task.distillation(outputs, taught, targets, how.temperature)


def pick_device(name: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: the first of cuda, mps and cpu that this machine has.

    Raises `MissingError` if the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    kind, _, index = name.partition(":")
    if not there[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise MissingError(
            f"There is no device '{name}'",
            "torch does not find it on this machine",
            'set training.device to "cpu" or "auto"',
        )
    return torch.device(name)
