"""A study: model x data x training x recipes x rates x seeds, and what is measured."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from pydantic import Field, field_validator

from prunus.spec.controls import Control, Controls
from prunus.spec.measurement import Measurement
from prunus.spec.part import Frozen, Part, digest
from prunus.spec.recipe import Recipe
from prunus.spec.training import Training
from prunus.spec.trial import Rate, Seed, Trial

V = TypeVar("V")


class Execution(Frozen):
    """How a study is carried out; nothing here changes a result.

    workers: trials at once; 0 means as many as there are cores and GPUs for.
    checkpoint_seconds: at most this much work is lost when a trial is interrupted.
    cores, gpus: of one trial; 0 means `training.threads`, and one GPU where `training.device` is one.
    memory_gib, time_limit_seconds: limits of one trial; 0 means none. The memory is what it takes beyond
    the loaded data.
    attempts: how often a trial is begun whose process dies, falls silent or takes too long; each time it goes on from
    its checkpoint.
    lease_seconds: how long nothing may be heard of a trial's worker before the trial is given to another.
    """

    workers: int = Field(default=0, ge=0)
    checkpoint_seconds: float = Field(default=10.0, ge=0)
    cores: int = Field(default=0, ge=0)
    gpus: int = Field(default=0, ge=0)
    memory_gib: float = Field(default=0.0, ge=0)
    time_limit_seconds: float = Field(default=0.0, ge=0)
    attempts: int = Field(default=3, ge=1)
    lease_seconds: float = Field(default=60.0, gt=0)


class Study(Frozen):
    """What to run. Rate 0 is always part of it: the unpruned control belongs to every comparison.

    controls: which other controls are run. control_recipes: what that comes to, filled in when all is spelled out.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    about: str = ""
    model: Part
    data: Part
    training: Training = Training()
    recipes: tuple[Recipe, ...] = Field(min_length=1)
    rates: tuple[Rate, ...] = Field(min_length=1)
    controls: Controls = Controls()
    control_recipes: tuple[Control, ...] = ()
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), min_length=1)
    measurement: Measurement = Measurement()
    execution: Execution = Execution()

    @field_validator("rates", "seeds")
    @classmethod
    def _no_duplicates(cls, values: tuple[V, ...]) -> tuple[V, ...]:
        if len(set(values)) != len(values):
            raise ValueError("a value stands in it twice")
        return values

    @field_validator("rates")
    @classmethod
    def _with_the_control(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted({0.0, *rates}))

    @field_validator("recipes")
    @classmethod
    def _unique_names(cls, recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        names = [recipe.name for recipe in recipes]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"more than one recipe is called {', '.join(sorted(twice))}")
        return recipes

    @cached_property
    def digest(self) -> str:
        """Identity of all that can change a result or a measurement; `about` and `execution` cannot."""
        return digest(self.model_dump(mode="json", exclude={"about", "execution"}))

    def trials(self) -> tuple[Trial, ...]:
        """Spell out the trials, seed by seed: unpruned first, then each recipe at each rate above 0, then controls."""
        cells: list[tuple[Recipe | None, float]] = [(None, 0.0)]
        cells += [(recipe, rate) for recipe in self.recipes for rate in self.rates if rate > 0]
        own = {recipe.name for recipe in self.recipes}
        cells += [
            (one.recipe, rate) for one in self.control_recipes if one.recipe.name not in own for rate in one.rates
        ]
        return tuple(
            Trial(model=self.model, data=self.data, training=self.training, recipe=recipe, rate=rate, seed=seed)
            for seed in self.seeds
            for recipe, rate in cells
        )
