"""Whether a network and a data set go together, found out before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prunus.data.dataset import Dataset, times
from prunus.errors import InputError
from prunus.system.process_wide import in_turn
from prunus.system.user_code import describe

if TYPE_CHECKING:
    from torch import nn

    from prunus.tasks import Task


def check_fits(model: nn.Module, dataset: Dataset, name: str = "", task: Task | None = None) -> None:
    """Run some samples through the network and look at what comes out; nothing of the network changes.

    name: of the model, for the message. task: classification where none is given. Raises `InputError` that says what
    the network wanted and what the data have, or how its outputs and the task's loss do not go together.
    """
    from prunus.tasks import Classification
    from prunus.tasks.batch import first_batch, shape_of

    task = task or Classification()
    for part, split in (("test", dataset.test), ("validation", dataset.validation), ("training", dataset.train)):
        if split is not None:
            batch = first_batch(dataset, split, task)
            try:
                task.check_targets(batch[1], dataset)
            except InputError as error:
                raise InputError(f"The {part} data of {dataset.name!r} cannot be used", error.why, error.do) from None
    inputs, targets = task.narrowed(batch, 2)
    what = f"The model {name!r}" if name else "The model"
    what += f" does not fit the data set {dataset.name!r}"
    with _as_it_was(model):
        try:
            outputs = task.run(model.eval(), inputs, targets)
        except InputError as error:
            raise InputError(what, error.why, error.do) from error
        except Exception as error:  # whatever a network of a user's own may raise
            have = f"samples have the shape {_shapes(shape_of(inputs))}"
            why = f"{have}, {_first_layer(model)}, and running it failed with: {describe(error)}"
            raise InputError(what, why, "choose a model for this shape, or other data") from error
        try:
            task.check(outputs, targets, dataset)
            task.tested(model, inputs, targets)
        except InputError as error:
            raise InputError(what, error.why, error.do) from error
        except Exception as error:  # of a loss of a user's own, too
            why = f"the loss of its outputs and the targets failed with: {describe(error)}"
            raise InputError(what, why, "correct what the network returns, the targets, or the task") from error


def _shapes(shapes: Any) -> str:
    """A shape in words, or several."""
    if isinstance(shapes, Mapping):
        return ", ".join(f"{_shapes(each)} ({key})" for key, each in shapes.items())
    if isinstance(shapes, tuple) and all(isinstance(size, int) for size in shapes):
        return times(shapes)
    return " and ".join(map(_shapes, shapes)) if isinstance(shapes, tuple | list) else repr(shapes)


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Within it, the network runs without gradients; modes and random generators are as before after it."""
    import torch

    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in model.modules()]
    try:
        with in_turn(), torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
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
