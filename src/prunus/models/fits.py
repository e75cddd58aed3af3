"""Whether a network and a data set go together, found out before hours are spent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunus.data.check import times
from prunus.data.dataset import Dataset
from prunus.errors import InputError


def check_fits(model: nn.Module, dataset: Dataset, name: str) -> None:
    """Run two samples through the network and look at what comes out; nothing of the network changes.

    name: of the model, for the message. Raises `InputError` that says what the network wanted and what the data have.
    """
    inputs = dataset.prepare(dataset.train.inputs[:2])
    what = f"The model {name!r} does not fit the data set {dataset.name!r}"
    have = f"samples have the shape {times(dataset.input_shape)}"
    try:
        output = _run(model, inputs)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError, NotImplementedError) as error:
        failure = str(error).strip().partition("\n")[0] or type(error).__name__
        why = f"{have}, {_first_layer(model)}, and it failed with: {failure}"
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
    parameter = next(iter(model.parameters()), inputs)
    modes = [(module, module.training) for module in model.modules()]
    devices = [parameter.device] if parameter.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            return model.eval()(inputs.to(parameter.device))
    finally:
        for module, training in modes:
            module.training = training


def _first_layer(model: nn.Module) -> str:
    """What the first layer with weights takes, in words."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            return f"its first layer {name!r} takes {module.in_channels} channels"
        if isinstance(module, nn.Linear):
            return f"its first layer {name!r} takes {module.in_features} values"
    return "it has no layer that says what it takes"
