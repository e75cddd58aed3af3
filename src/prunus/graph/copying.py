"""Copies of a model that can be changed without a trace in the original."""

from __future__ import annotations

import copy

from torch import nn

from prunus.errors import InputError


def fresh_copy(model: nn.Module) -> nn.Module:
    """A deep copy in the same modes, without what its modules remember between calls in evaluation mode.

    Modules that keep tensors computed from their parameters, such as tables of attention biases, drop them when they
    are set to training mode; a copy with other parameters must not find them.
    """
    try:
        twin = copy.deepcopy(model)
    except RuntimeError as error:
        raise InputError(
            f"{type(model).__name__} can't be copied",
            str(error).splitlines()[0],
            "remove weight_norm of the old kind, and tensors with a gradient history, from its modules",
        ) from None
    twin.train()
    for ours, theirs in zip(twin.modules(), model.modules(), strict=True):
        ours.training = theirs.training
    return twin
