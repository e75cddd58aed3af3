"""Pruning in Lightning's Trainer: `Trainer(callbacks=[PruningCallback(recipe, example_inputs, rate=0.9)])`."""

from __future__ import annotations

from typing import Any

from prunus.errors import MissingError
from prunus.spec import Recipe
from prunus.train import Pruner

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise MissingError("Lightning is not installed", str(error), "pip install prunus[lightning]") from None


class PruningCallback(Callback):
    """Prunes the module that is trained, over the length of the training; its state goes into Lightning's checkpoints.

    recipe, example_inputs and settings as of `prunus.Pruner`; epochs and steps_per_epoch are the trainer's.
    """

    pruner: Pruner | None = None

    def __init__(self, recipe: Recipe, example_inputs: Any, **settings: Any) -> None:
        self.recipe, self.example_inputs, self.settings = recipe, example_inputs, settings
        self._resumed: dict[str, Any] | None = None
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the pruner, or continue where a checkpoint left it."""
        epochs = max(trainer.max_epochs or 1, 1)
        steps = max(1, int(trainer.estimated_stepping_batches) // epochs)
        inputs = self.example_inputs.to(pl_module.device)
        self.pruner = Pruner(pl_module, self.recipe, inputs, epochs=epochs, steps_per_epoch=steps, **self.settings)
        if self._resumed is not None:
            self.pruner.load_state_dict(self._resumed)
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """A pruner's step for every step of the optimiser; batches that only accumulate gradients are none."""
        if self.pruner is not None and trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.pruner.step()

    def state_dict(self) -> dict[str, Any]:
        """Of the pruner."""
        return self.pruner.state_dict() if self.pruner else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until the training starts."""
        self._resumed = state_dict or None
