"""Pruning in Lightning's Trainer: `Trainer(callbacks=[PruningCallback(recipe, example_inputs, rate=0.9)])`."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map_only

from prunus.callbacks.length import divided
from prunus.errors import InputError, MissingError
from prunus.spec import Recipe
from prunus.train import Pruner

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise MissingError("Lightning is not installed", str(error), "pip install prunus[lightning]") from None


class PruningCallback(Callback):
    """Prunes the module that is trained, over the length of the training; its state goes into Lightning's checkpoints.

    recipe, example_inputs and settings as of `prunus.Pruner`. epochs: into so many parts the training is divided for
    the schedule; left out, they are the trainer's, or 10 if it has one. A training that goes on needs a checkpoint with
    the state of this callback.
    """

    pruner: Pruner | None = None

    def __init__(
        self, recipe: Recipe | str, example_inputs: Any, *, epochs: int | None = None, **settings: Any
    ) -> None:
        self.recipe, self.example_inputs, self.epochs, self.settings = recipe, example_inputs, epochs, settings
        self._resumed: dict[str, Any] | None = None
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the pruner, or continue where a checkpoint left it."""
        epochs, steps = divided(trainer.estimated_stepping_batches, trainer.max_epochs or 1, self.epochs)
        if self._resumed is None and self.pruner is not None and self.pruner.model is pl_module:
            self._resumed = self.pruner.state_dict()  # the same trainer fits on
        if self._resumed is None and trainer.global_step > 0:
            raise InputError(
                f"The training goes on after step {trainer.global_step}, but what was pruned before is not known",
                "its checkpoint has no state of a PruningCallback",
                "load the weights alone and train anew, or go on from a checkpoint of a training with this callback",
            )
        self.pruner = Pruner(
            pl_module,
            self.recipe,
            tree_map_only(Tensor, lambda one: one.to(pl_module.device), self.example_inputs),
            epochs=epochs,
            steps_per_epoch=steps,
            state=self._resumed,
            **self.settings,
        )
        self._resumed, self._steps = None, trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """A pruner's step for every step of the optimiser; batches that only accumulate gradients are none."""
        if self.pruner is not None and trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.pruner.step(trainer.optimizers[0] if len(trainer.optimizers) == 1 else None)

    def state_dict(self) -> dict[str, Any]:
        """The pruner's state."""
        return self.pruner.state_dict() if self.pruner else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until the training starts."""
        self._resumed = state_dict or None
