"""Controls: what a recipe has to beat before its criterion can be said to have a use."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from prunus.spec.part import Frozen
from prunus.spec.recipe import Recipe
from prunus.spec.trial import Rate

Kind = Literal["random", "dense"]


class Controls(Frozen):
    """Which controls a study runs beside its recipes; `controls = false` stands for none, `true` for all.

    random: each recipe once more with units drawn at random, all else being equal.
    dense: for each recipe a dense network of the same cost, cut before the training: would a smaller one do as well?
    recipes: the recipes that have controls. rates: at which. None stands for all.
    """

    random: bool = True
    dense: bool = True
    recipes: tuple[str, ...] | None = None
    rates: tuple[Rate, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _all_or_none(cls, value: Any) -> Any:
        return {"random": value, "dense": value} if isinstance(value, bool) else value


class Control(Frozen):
    """One control, and the recipes that share it.

    recipe: may be one of the study's own. rates: at which it is run. left_out: why it is not run at others; empty where
    it could be run at every rate.
    """

    kind: Kind
    recipe: Recipe
    of: tuple[str, ...]
    rates: tuple[Rate, ...]
    left_out: str = ""
