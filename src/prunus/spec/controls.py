"""Controls: what a recipe has to beat before its criterion can be said to have a use."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from prunus.spec.part import Frozen
from prunus.spec.trial import Rate, Recipe

ControlKind = Literal["random", "dense", "dense_longer"]


class Controls(Frozen):
    """Which controls a study runs beside its recipes; `controls = false` stands for none, `true` for all.

    random: each recipe once more with units drawn at random, all else being equal.
    dense: for each recipe a dense network of the same cost, cut before the training: would a smaller one do as well?
    dense_longer: the same dense network, trained for as many MACs as the pruned one was in all: would it do as well for
    the same effort?
    recipes: the recipes that have controls. rates: at which. None stands for all.
    """

    random: bool = True
    dense: bool = True
    dense_longer: bool = True
    recipes: tuple[str, ...] | None = None
    rates: tuple[Rate, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _all_or_none(cls, value: Any) -> Any:
        return dict.fromkeys(("random", "dense", "dense_longer"), value) if isinstance(value, bool) else value

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study without the longer control has the digest that it had when there was none."""
        return {key: value for key, value in handler(self).items() if key != "dense_longer" or value}


class Control(Frozen):
    """One control, and the recipes that share it.

    recipe: may be one of the study's own. rates: at which it is run. epochs: of each of these rates; empty where it
    trains for as many as all others. left_out: why it is not run at others; empty where
    it could be run at every rate.
    """

    kind: ControlKind
    recipe: Recipe
    of: tuple[str, ...]
    rates: tuple[Rate, ...]
    epochs: tuple[int, ...] = ()
    left_out: str = ""

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A control of the study's own epochs has the digest that it had when there were no others."""
        return {key: value for key, value in handler(self).items() if key != "epochs" or value}
