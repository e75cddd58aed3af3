"""One cell of a study."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from prunus.spec.part import Frozen, Part, digest
from prunus.spec.recipe import Recipe
from prunus.spec.training import Training

Rate = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]


class Trial(Frozen):
    """All that decides a trial's result; its digest is its identity.

    A trial at rate 0 has no recipe: it is the unpruned control, one per seed, shared by all recipes.
    """

    model: Part
    data: Part
    training: Training
    recipe: Recipe | None
    rate: Rate
    seed: Seed

    @model_validator(mode="after")
    def _rate_zero_has_no_recipe(self) -> Trial:
        if (self.recipe is None) != (self.rate == 0):
            raise ValueError("a trial has a recipe exactly when its rate is above 0")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON with all defaults written out, the first 16 hexadecimal digits."""
        return digest(self.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """The trial in words: `structured 0.4, seed 1`."""
        name = f"{self.recipe.name} {self.rate:g}" if self.recipe else "unpruned"
        return f"{name}, seed {self.seed}"
