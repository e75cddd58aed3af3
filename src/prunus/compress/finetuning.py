"""Training a cut network on, by what the unpruned one teaches, and how long that takes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median

import torch
from torch import nn

from prunus.data import Dataset
from prunus.data.stream import size_of
from prunus.spec import Training
from prunus.system.user_code import user_modules
from prunus.tasks import Task
from prunus.tasks.batch import example_inputs
from prunus.train import (
    Pruner,
    TrainingState,
    load_checkpoint,
    pick_device,
    save_checkpoint,
    start,
    train,
    training_batches,
    training_loss,
)

TIMED_STEPS = 8
SHARE_OF_TESTING = 0.25
"""What a test of an input takes beside a step of the training with a teacher."""
CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class Finetuning:
    """What all trainings of a search have in common.

    teacher: the unpruned network, on the device. data: `test` is what is tested on after each epoch.
    """

    teacher: nn.Module
    data: Dataset
    task: Task
    training: Training
    seed: int

    def run(
        self,
        model: nn.Module,
        epochs: float,
        checkpoint: Path | None = None,
        key: str = "",
        after_epoch: Callable[[TrainingState], bool] = lambda _: True,
    ) -> nn.Module:
        """Train for so many epochs, whole or not; returns the network on the CPU, in evaluation mode.

        checkpoint: where a training that is interrupted goes on from, if it is to. key: names this training; a
        checkpoint of another one is refused. after_epoch: tells whether to go on.
        """
        state = self._begin(model, epochs)
        if checkpoint is not None and checkpoint.exists():
            load_checkpoint(checkpoint, state, key)
        saved = time.monotonic()

        def after(state: TrainingState) -> None:
            nonlocal saved
            if not after_epoch(state):
                raise _OutOfTimeError
            if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS and state.done < epochs:
                save_checkpoint(checkpoint, state, key)
                saved = time.monotonic()

        with suppress(_OutOfTimeError):
            train(state, self.data, state.training, seed=self.seed, after_epoch=after, length=epochs)
        return state.model.cpu().eval()

    def at(self, learning_rate: float) -> Finetuning:
        """The same trainings with another learning rate."""
        return replace(self, training=self.training.model_copy(update={"learning_rate": learning_rate}))

    def seconds_per_epoch(self, model: nn.Module) -> float:
        """Timed on the last of some steps of a copy; with the test after the epoch."""
        state = self._begin(copy.deepcopy(model), epochs=1)
        state.model.train()
        device = next(state.model.parameters()).device
        timed: list[float] = []  # seconds for one input
        began = time.perf_counter()
        for batch in islice(
            training_batches(self.data, self.training, self.seed, 1, device, self.task), TIMED_STEPS + 1
        ):
            loss = training_loss(state.model, batch, self.task, self.training, state.teacher)
            state.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            state.optimizer.step()
            loss.item()
            timed.append((time.perf_counter() - began) / size_of(batch))
            began = time.perf_counter()
        each = median(timed[-4:])  # the first ones prepare what the others use
        return each * (len(self.data.train) + SHARE_OF_TESTING * len(self.data.test))

    def _begin(self, model: nn.Module, epochs: float) -> TrainingState:
        training = self.training.model_copy(update={"epochs": math.ceil(epochs)})
        example = example_inputs(self.data, self.task, self.data.train)
        pruner = Pruner(model, None, example, epochs=training.epochs, steps_per_epoch=None, seed=self.seed)
        model.to(pick_device(training.device))
        if training.channels_last:
            model.to(memory_format=torch.channels_last)
        state = start(model, pruner, training, user_modules(), self.task)
        state.teacher = self.teacher if self.task.distils else None
        return state


class _OutOfTimeError(Exception):
    """Ends a training after an epoch."""
