# ruff: noqa: ARG002  # the Trainer decides what its hooks are given
"""Pruning in Hugging Face's Trainer: `Trainer(..., callbacks=[PruningCallback(recipe, example_inputs, rate=0.9)])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch

from prunus.errors import MissingError
from prunus.spec import Recipe
from prunus.train import Pruner

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise MissingError("transformers is not installed", str(error), "pip install prunus[transformers]") from None

FILE = "pruner.safetensors"


class PruningCallback(TrainerCallback):
    """Prunes the model that is trained, over the length of the training; its state lies in the Trainer's checkpoints.

    recipe, example_inputs and settings as of `prunus.Pruner`; epochs and steps_per_epoch are the Trainer's.
    """

    pruner: Pruner | None = None

    def __init__(self, recipe: Recipe, example_inputs: Any, **settings: Any) -> None:
        self.recipe, self.example_inputs, self.settings = recipe, example_inputs, settings

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Make the pruner, or continue where a checkpoint left it."""
        epochs = max(1, int(args.num_train_epochs))
        steps = max(1, state.max_steps // epochs)
        self.pruner = Pruner(
            kwargs["model"], self.recipe, self.example_inputs, epochs=epochs, steps_per_epoch=steps, **self.settings
        )
        file = _checkpoint(args, state) / FILE
        if state.global_step and file.exists():
            self.pruner.load_state_dict(safetensors.torch.load_file(file))

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Between the optimiser's step and the clearing of gradients."""
        if self.pruner is not None:
            self.pruner.step()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Beside the model's and the optimiser's files."""
        if self.pruner is not None:
            tensors = {name: tensor.contiguous() for name, tensor in self.pruner.state_dict().items()}
            safetensors.torch.save_file(tensors, _checkpoint(args, state) / FILE)


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
