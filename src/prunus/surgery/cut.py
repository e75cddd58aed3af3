"""Carrying out a plan: a smaller copy of the model, in which parameters, buffers and module attributes agree."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from prunus.errors import InputError
from prunus.surgery.attributes import update_attributes
from prunus.surgery.plan import Change, Cut, Plan
from prunus.surgery.tensors import replace_tensor, tensor_of, without


def cut(model: nn.Module, plan: Plan, example_inputs: Any = None) -> nn.Module:  # noqa: ARG001
    """A smaller copy; the model passed in is untouched.

    Raises `InputError` if the plan was made for another model.
    """
    twin = copy.deepcopy(model)
    for change in plan.changes:
        _change(twin, change)
    with torch.no_grad():
        for piece in plan.cuts:
            _remove(twin, piece)
    for module in twin.modules():
        update_attributes(module)
    return twin


def _change(model: nn.Module, change: Change) -> None:
    module = dict(model.named_modules()).get(change.module)
    value = getattr(module, change.argument, None)
    if not isinstance(value, int) or value <= change.less:
        raise InputError(
            f"The module {change.module!r} has no number {change.argument!r} above {change.less}",
            "the plan was made for another model",
            "make the plan from this model's own groups",
        )
    setattr(module, change.argument, value - change.less)


def _remove(model: nn.Module, piece: Cut) -> None:
    tensor = tensor_of(model, piece.tensor)
    if piece.dim >= tensor.dim() or max(piece.removed) >= tensor.shape[piece.dim]:
        raise InputError(
            f"{piece.tensor!r} has shape {tuple(tensor.shape)}",
            f"the plan removes position {max(piece.removed)} of dimension {piece.dim}",
            "use the plan with the model that it was made for",
        )
    replace_tensor(model, piece.tensor, without(tensor, piece.dim, piece.removed))
