# ruff: noqa: ARG002  # the Trainer decides what its hooks are given
"""Pruning in Hugging Face's Trainer: `Trainer(..., callbacks=[PruningCallback(recipe, example_inputs, rate=0.9)])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils._pytree import tree_map_only

from prunus.callbacks.length import divided
from prunus.errors import InputError, MissingError
from prunus.spec import Recipe
from prunus.train import Pruner

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise MissingError("transformers is not installed", str(error), "pip install prunus[transformers]") from None

FILE = "pruner.safetensors"


class PruningCallback(TrainerCallback):
    """Prunes the model that is trained, over the length of the training; its state lies in the Trainer's checkpoints.

    recipe, example_inputs and settings as of `prunus.Pruner`. epochs: into so many parts the training is divided for
    the schedule; left out, they are the Trainer's, or 10 if it has one. resume_from: the checkpoint that the training
    goes on from, where it does not lie in the Trainer's output_dir.
    """

    pruner: Pruner | None = None

    def __init__(
        self,
        recipe: Recipe | str,
        example_inputs: Any,
        *,
        epochs: int | None = None,
        resume_from: str | Path | None = None,
        **settings: Any,
    ) -> None:
        self.recipe, self.example_inputs, self.epochs, self.settings = recipe, example_inputs, epochs, settings
        self.resume_from = resume_from

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Make the pruner, or continue where a checkpoint left it."""
        epochs, steps = divided(state.max_steps, args.num_train_epochs, self.epochs)
        model = kwargs["model"]
        device = next(model.parameters()).device
        self.pruner = Pruner(
            model,
            self.recipe,
            tree_map_only(Tensor, lambda one: one.to(device), self.example_inputs),
            epochs=epochs,
            steps_per_epoch=steps,
            state=self._resumed(args, state) if state.global_step else None,
            **self.settings,
        )

    def _resumed(self, args: TrainingArguments, state: TrainerState) -> dict[str, Tensor]:
        """What the checkpoint holds. Raises `InputError` where it holds nothing of a pruner."""
        folders = [self.resume_from, _checkpoint(args, state), args.resume_from_checkpoint]
        for folder in folders:
            if folder is not None and (file := Path(folder) / FILE).exists():
                return _read(file)
        raise InputError(
            f"The training goes on after step {state.global_step}, but what was pruned before is not known",
            f"there is no {FILE} in {self.resume_from or _checkpoint(args, state)}",
            "give PruningCallback(..., resume_from=the checkpoint's folder), or load the weights alone and train anew",
        )

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Between the optimiser's step and the clearing of gradients."""
        if self.pruner is not None:
            self.pruner.step(kwargs.get("optimizer"))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Beside the model's and the optimiser's files."""
        if self.pruner is not None:
            tensors = {name: tensor.contiguous() for name, tensor in self.pruner.state_dict().items()}
            safetensors.torch.save_file(tensors, _checkpoint(args, state) / FILE)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        do = "give PruningCallback(..., resume_from=the folder of an earlier checkpoint)"
        raise InputError(f"{file} cannot be used", str(error), do) from None


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
