"""Whether training moves weights away from zero."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.evidence.evidence import Gathering, Tensors
from prunus.prune.precision import widened


class WeightMovement(Gathering):
    """At each weight minus the sum over all steps of weight x gradient, both as they were before the step."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__(model, names)
        self.state = {name: torch.zeros_like(widened(model.get_parameter(name).detach())) for name in names}
        self._before: dict[str, Tensor] = {}

    def before_gradients(self) -> None:  # noqa: D102
        self._before = {name: self.model.get_parameter(name).detach().clone() for name in self.names}

    def after_step(self) -> None:  # noqa: D102
        for name, moved in self.state.items():
            gradient = self.model.get_parameter(name).grad
            if gradient is not None:  # and finite: a scaler skips a step that is not
                moved.addcmul_(widened(self._before[name]), widened(gradient).nan_to_num(0, 0, 0), value=-1)

    def found(self) -> Tensors:  # noqa: D102
        still = [name for name, moved in self.state.items() if not moved.any()]
        if still:
            raise InputError(
                f"The movement of {still[0]!r} is not known",
                "no step has shown a gradient of it",
                "call pruner.step() before the gradients are cleared, and protect layers that are frozen",
            )
        return self.state
