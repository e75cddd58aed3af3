"""What a training is between two epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any

import torch
from torch import nn

from prunus.channels import Plan
from prunus.spec import Training, make
from prunus.tasks import Classification, Task
from prunus.train.hidden_state import Attributes, fingerprints
from prunus.train.optimizers import OPTIMIZERS
from prunus.train.pruner import Pruner


@dataclass(frozen=True)
class EpochResult:
    """What one epoch came to; tested just after its pruning.

    Epochs count from 1. 0 is a network with trained weights before any further training; its `train_loss` is NaN.
    """

    epoch: int
    train_loss: float
    test_loss: float
    test_correct: int | None
    test_total: int | None
    sparsity: float
    learning_rate: float
    seconds: float
    metric: float = math.nan  # of the task; a row of answers that were counted has it from them


@dataclass
class TrainingState:
    """All that a training is between two epochs.

    model: what is trained: the pruner's network, or what `plan` leaves of it.
    task: what the model is for.
    modules: those of the user's files, by name, whose variables may change while the network trains.
    cut: what the smaller network kept beside its tensors when it was cut out.
    pretrained: whether the model begins with trained weights, which are then tested before the first epoch.
    shrinks: whether channels that are gone are taken out of the trained network while it trains; a loop of the user's
        own keeps the network that it was given.
    teacher: the network with those weights, from which the model learns beside the labels.
    objects: what a loop of the user's own trains with beside the network, by name; each has a `state_dict`.
    saved_objects: the `state_dict`s that a checkpoint had of them.
    constants: fingerprints of the tensors beside the `state_dict`s before the first epoch, by path; a checkpoint holds
        those of them that have changed.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    pruner: Pruner
    training: Training
    epochs: list[EpochResult] = field(default_factory=list)
    plan: Plan | None = None
    task: Task = field(default_factory=Classification)
    modules: Mapping[str, ModuleType] = field(default_factory=dict)
    cut: Attributes | None = None
    pretrained: bool = False
    shrinks: bool = True
    teacher: nn.Module | None = None
    objects: Mapping[str, Any] = field(default_factory=dict)
    saved_objects: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many epochs it is trained for by now."""
        return self.epochs[-1].epoch if self.epochs else 0

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """A fresh optimiser of the training's kind."""
        return _optimizer(model, self.training)


def start(
    model: nn.Module,
    pruner: Pruner,
    training: Training,
    modules: Mapping[str, ModuleType] = MappingProxyType({}),
    task: Task = Classification(),  # noqa: B008  # it is frozen
) -> TrainingState:
    """The state before the first epoch; the model must be on its device already."""
    state = TrainingState(model, _optimizer(model, training), pruner, training, modules=modules, task=task)
    state.constants = fingerprints(state)
    return state


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    return make(OPTIMIZERS, training.optimizer).build(model.parameters(), training.learning_rate)
