"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from prunus.data import Dataset, Split
from prunus.errors import NotFiniteError
from prunus.spec import Training, make
from prunus.train.augment import AUGMENTATIONS, Augmentation
from prunus.train.evaluate import evaluate
from prunus.train.seeds import generator, seed_everything
from prunus.train.shrinking import narrow, widen
from prunus.train.state import EpochResult, TrainingState


def train(
    state: TrainingState,
    dataset: Dataset,
    training: Training,
    *,
    seed: int,
    after_epoch: Callable[[TrainingState], None] = lambda _: None,
) -> TrainingState:
    """Train from where the state is to the last epoch, prune and test after each, and call `after_epoch`.

    What an epoch does depends on the state before it, the seed and the epoch's number alone, so that a training that
    was interrupted between two epochs ends with the same bits. Raises `NotFiniteError` when the loss is not finite.
    """
    if not state.epochs:
        _prune(state, 0)
    augmentations = [make(AUGMENTATIONS, part) for part in training.augment]
    device = next(state.model.parameters()).device
    for epoch in range(len(state.epochs) + 1, training.epochs + 1):
        began = time.perf_counter()
        seed_everything(seed, "training", epoch)
        learning_rate = scheduled_learning_rate(training, *state.pruner.learning_rate_place(epoch))
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        batches = _batches(dataset, dataset.train, training, augmentations, seed, epoch, device)
        loss = _train_epoch(state, batches, training)
        if not math.isfinite(loss):
            raise NotFiniteError(
                f"The loss was {loss} in epoch {epoch}",
                f"the training diverged at a learning rate of {learning_rate:g}",
                "lower training.learning_rate, or look for values that are not finite in the data",
            )
        _prune(state, epoch)
        tested = evaluate(state.model, dataset, dataset.test, device)
        state.epochs.append(
            EpochResult(
                epoch=epoch,
                train_loss=loss,
                test_loss=tested.loss,
                test_correct=tested.correct,
                test_total=tested.total,
                sparsity=state.pruner.sparsity(),
                learning_rate=learning_rate,
                seconds=time.perf_counter() - began,
            )
        )
        after_epoch(state)
    return state


def _prune(state: TrainingState, epoch: int) -> None:
    """Prune the whole network if the schedule says so, and train on what is left."""
    if not state.pruner.acts_after(epoch):
        return
    widen(state)
    rewound = state.pruner.after_epoch(epoch)
    if rewound:
        state.optimizer.state.clear()
    narrow(state, anew=rewound)


def scheduled_learning_rate(training: Training, epoch: int, epochs: int) -> float:
    """The learning rate of an epoch, from 1 to the number of epochs."""
    done = (epoch - 1) / epochs
    factor = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "step": 0.1 ** ((done >= 0.5) + (done >= 0.75)),
    }
    return training.learning_rate * factor[training.learning_rate_schedule]


def _train_epoch(state: TrainingState, batches: Iterator[tuple[Tensor, Tensor]], training: Training) -> float:
    """One pass over the training data. Returns the mean loss per input."""
    model, optimizer, masked = state.model.train(), state.optimizer, state.plan is None
    half = training.precision == "bf16"
    losses, counts = [], []
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
            loss = F.cross_entropy(model(inputs), targets, label_smoothing=training.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if masked:
            state.pruner.step()
        losses.append(loss.detach())
        counts.append(len(targets))
    return float(torch.stack(losses).cpu().double() @ torch.tensor(counts, dtype=torch.float64)) / sum(counts)


def _batches(
    dataset: Dataset,
    split: Split,
    training: Training,
    augmentations: list[Augmentation],
    seed: int,
    epoch: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of an epoch in the seed's order; a last batch of one input is left out, BatchNorm cannot take it."""
    order = torch.randperm(len(split.targets), generator=generator(seed, "order", epoch))
    draws = generator(seed, "augment", epoch)
    for chosen in torch.split(order, training.batch_size):
        if len(chosen) == 1 < len(order):
            continue
        inputs = dataset.prepare(split.inputs[chosen.to(split.inputs.device)].to(device))
        for augmentation in augmentations:
            inputs = augmentation.apply(inputs, draws)
        if training.channels_last and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        yield inputs, split.targets[chosen.to(split.targets.device)].to(device)
