"""What is looked at before any long work: whether network, data, task and budget go together."""

from __future__ import annotations

import torch
from torch import nn

from prunus.data import Dataset
from prunus.errors import InputError
from prunus.models.fits import check_fits
from prunus.tasks import Task
from prunus.tasks.batch import first_batch


def check_runs(model: nn.Module, dataset: Dataset, task: Task) -> None:
    """Run some inputs, and look at the loss. Raises `InputError` that says what does not fit, or is not finite."""
    check_fits(model, dataset, type(model).__name__, task)
    inputs, targets = first_batch(dataset, dataset.train, task)
    with torch.no_grad():
        loss = task.batch_loss(model, inputs, targets)
    if not torch.isfinite(loss):
        raise InputError(
            f"The loss of {type(model).__name__} is {float(loss)} on the first training inputs",
            "its weights or the inputs are not finite, or the loss is not defined for these targets",
            "look at the weights, the data and the task",
        )


def check_trainable(model: nn.Module) -> None:
    """Raises `InputError` for a network of which nothing can be trained."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            f"{type(model).__name__} cannot be trained on",
            "none of its parameters takes a gradient",
            "call requires_grad_() on it",
        )


def check_time(seconds_per_epoch: float, budget: float) -> None:
    """Raises `InputError` where not one epoch can be trained."""
    if seconds_per_epoch > budget:
        raise InputError(
            f"A budget of {budget:.0f} s is too short",
            f"one epoch of the training alone takes about {seconds_per_epoch:.0f} s",
            f"give {4 * seconds_per_epoch:.0f} s or more, some epochs for each of several networks",
        )
