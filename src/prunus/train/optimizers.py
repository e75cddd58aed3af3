"""Optimisers by name, with their settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from prunus.registry import Registry
from prunus.spec.part import Frozen


class OptimizerChoice(Frozen, ABC):
    """An optimiser and its settings; the learning rate comes from the training's schedule."""

    weight_decay: float = Field(default=0.0, ge=0)

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """Make the optimiser."""


class Adam(OptimizerChoice):
    """Adam (Kingma & Ba, 2015), weight decay added to the gradient."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:  # noqa: D102
        return torch.optim.Adam(
            parameters, learning_rate, self.betas, self.eps, weight_decay=self.weight_decay, fused=True
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""

    weight_decay: float = Field(default=0.01, ge=0)

    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:  # noqa: D102
        return torch.optim.AdamW(
            parameters, learning_rate, self.betas, self.eps, weight_decay=self.weight_decay, fused=True
        )


class SGD(OptimizerChoice):
    """Stochastic gradient descent with momentum."""

    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False

    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:  # noqa: D102
        return torch.optim.SGD(
            parameters,
            learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )


OPTIMIZERS: Registry[type[OptimizerChoice]] = Registry("optimizer", OptimizerChoice)
OPTIMIZERS.register("adam", Adam)
OPTIMIZERS.register("adamw", AdamW)
OPTIMIZERS.register("sgd", SGD)
