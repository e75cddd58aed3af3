"""What a training is between two epochs."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from prunus.spec import Training, make
from prunus.surgery import Plan
from prunus.train.optimizers import OPTIMIZERS
from prunus.train.pruner import Pruner


@dataclass(frozen=True)
class EpochResult:
    """What one epoch came to; tested just after its pruning. Epochs count from 1."""

    epoch: int
    train_loss: float
    test_loss: float
    test_correct: int
    test_total: int
    sparsity: float
    learning_rate: float
    seconds: float


@dataclass
class TrainingState:
    """All that a training is between two epochs.

    model: what is trained: the pruner's network, or what `plan` leaves of it.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    pruner: Pruner
    training: Training
    epochs: list[EpochResult] = field(default_factory=list)
    plan: Plan | None = None

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """A fresh optimiser of the training's kind."""
        return _optimizer(model, self.training)


def start(model: nn.Module, pruner: Pruner, training: Training) -> TrainingState:
    """The state before the first epoch; the model must be on its device already."""
    return TrainingState(model, _optimizer(model, training), pruner, training)


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    return make(OPTIMIZERS, training.optimizer).build(model.parameters(), training.learning_rate)
