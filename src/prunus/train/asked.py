"""What a pruner is asked for, looked at before anything else."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from torch import nn

from prunus.errors import InputError, nearest
from prunus.spec import Recipe, builtin_recipes


def recipe_of(recipe: Any) -> Recipe | None:
    """The recipe, or the built-in one of that name. Raises `InputError` for anything else."""
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    known = builtin_recipes()
    if isinstance(recipe, str):
        if recipe not in known:
            raise InputError(
                f"There is no recipe {recipe!r}", "no built-in recipe has that name", nearest(recipe, known)
            )
        return known[recipe]
    raise InputError(
        f"An object of type {type(recipe).__name__} is no recipe",
        "a pruner takes a prunus.Recipe or the name of a built-in one",
        "write prunus.Recipe(name=..., pattern=prunus.Part(name='element'), ...)",
    )


def check_asked(model: Any, rate: Any, epochs: Any, steps_per_epoch: Any) -> None:
    """Raises `InputError` for what is no network, no rate or no length of a training."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"An object of type {type(model).__name__} is no network", "it is no torch.nn.Module", "give a module"
        )
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 <= float(rate) < 1:
        raise InputError(f"The rate {rate!r} cannot be used", "it is the share that goes", "give 0 <= rate < 1")
    if not _is_whole(epochs) or epochs < 0:
        raise InputError(f"epochs = {epochs!r} cannot be used", "epochs are counted", "give a whole number")
    if steps_per_epoch is not None and (not _is_whole(steps_per_epoch) or steps_per_epoch < 1):
        raise InputError(
            f"steps_per_epoch = {steps_per_epoch!r} cannot be used",
            "an epoch has a whole number of optimiser steps, one at least",
            "give that, or None and call pruner.after_epoch(epoch) where their number is not known",
        )


def _is_whole(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)
