"""Whether a network and a data set go together, found out before hours are spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunus.data.dataset import Dataset, times
from prunus.errors import InputError
from prunus.user_code import describe

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_fits(model: nn.Module, dataset: Dataset, name: str = "") -> None:
    """Run two samples through the network and look at what comes out; nothing of the network changes.

    name: of the model, for the message. Raises `InputError` that says what the network wanted and what the data have.
    """
    from torch import Tensor

    inputs = dataset.prepare(dataset.train.inputs[:2])
    what = f"The model {name!r}" if name else "The model"
    what += f" does not fit the data set {dataset.name!r}"
    try:
        output = _run(model, inputs)
    except Exception as error:  # whatever a network of a user's own may raise
        have = f"samples have the shape {times(dataset.input_shape)}"
        why = f"{have}, {_first_layer(model)}, and running it failed with: {describe(error)}"
        raise InputError(what, why, "choose a model for this shape, or other data") from error
    if not isinstance(output, Tensor):
        why = f"it returns {type(output).__name__}, and training needs one tensor (samples, classes)"
        raise InputError(what, why, "wrap it in a module that returns the tensor")
    wanted = (len(inputs), len(dataset.classes))
    if tuple(output.shape) != wanted:
        why = f"there are {wanted[1]} classes, so {wanted[0]} samples must give {times(wanted)}"
        raise InputError(what, f"{why}, and they give {times(output.shape)}", "correct its number of outputs")


def _run(model: nn.Module, inputs: Tensor) -> object:
    """The output in evaluation mode; modes and random generators are as before."""
    import torch

    device = next((parameter.device for parameter in model.parameters()), inputs.device)
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            return model.eval()(inputs.to(device))
    finally:
        for module, training in modes:
            module.training = training


def _first_layer(model: nn.Module) -> str:
    """What the first layer with weights takes, in words."""
    from torch import nn

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            return f"its first layer {name!r} takes {module.in_channels} channels"
        if isinstance(module, nn.Linear):
            return f"its first layer {name!r} takes {module.in_features} values"
    return "it has no layer that says what it takes"
