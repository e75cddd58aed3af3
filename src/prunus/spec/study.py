"""A study: model x data x training x recipes x rates x seeds, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from prunus.errors import InputError, nearest
from prunus.spec.builtin_recipes import builtin_recipes
from prunus.spec.controls import Control, Controls
from prunus.spec.metric import Metric
from prunus.spec.part import Frozen, Name, Part, digest
from prunus.spec.trial import CLASSIFICATION, Rate, Recipe, Seed, Training, Trial
from prunus.system.travelling import reference_of


class Measurement(Frozen):
    """Which final networks are exported and measured, and how.

    Attributes:
        select: `first` takes the first seed of every recipe and rate, `all` every trial, `none` nothing.
        runtimes: by name; `prunus list runtimes`.
        batch_sizes: inputs of one run.
        threads: numbers of threads.
        rounds: timed runs per variant; variants are interleaved within a round.
        warmup: untimed rounds before.
        memory: whether peak memory is measured, which takes a process for each network.
        weight_bits: what BOPs are counted with (32 for fp32).
        activation_bits: what BOPs are counted with (32 for fp32).
    """

    select: Literal["first", "all", "none"] = "first"
    runtimes: tuple[str, ...] = ("torch", "onnxruntime", "prunus")
    batch_sizes: tuple[int, ...] = (1, 64)
    threads: tuple[int, ...] = (1,)
    rounds: int = Field(default=40, ge=30)
    warmup: int = Field(default=5, ge=1)
    memory: bool = True
    weight_bits: int = Field(default=32, ge=1, le=64)
    activation_bits: int = Field(default=32, ge=1, le=64)


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


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _recipe(name: str) -> Recipe:
    if name not in builtin_recipes():
        raise InputError(f"There is no recipe {name!r}", "", nearest(name, builtin_recipes()))
    return builtin_recipes()[name]


class Study(Frozen):
    """What to run. Rate 0 is always part of it: the unpruned control belongs to every comparison.

    Model, data, task and training loop may be functions and classes of one's own, in a file or a notebook: they stand
    there as `file.py:function` then, which the processes that run trials read. One of a notebook is written to
    `studies/code/` with what it uses; what can't be written down is refused and named.

    Attributes:
        name: of its folder and report.
        about: a sentence for the report.
        model: the network, by name.
        data: the data set, by name.
        task: what the network is for, by name: its loss, and the metric that networks are compared by.
        training: the same for every trial.
        train: a training loop of the user's own, `file.py:function`, in place of the built-in one.
        recipes: how networks are pruned.
        rates: shares of units that are asked for.
        controls: which other controls are run.
        control_recipes: what that comes to, filled in when all is spelled out.
        seeds: of initial weights, of the order of the data, and of every other draw.
        margin: the difference that counts as none where equivalence is tested, in what the metric is shown in
            (percentage points of accuracy); None takes the task's own.
        metric: of the task, with that margin, filled in when all is spelled out.
        measurement: what is measured of final networks.
        execution: how it is carried out; changes no result.
        tracking: other programs that are told of it, by name: true, a text or a table of settings; changes no result.

    Example:
        >>> study = Study(model="mlp", data="digits", recipes=["structured"], rates=[0.5], seeds=[0])
        >>> [trial.label for trial in study.trials()]
        ['unpruned, seed 0', 'structured 0.5, seed 0']
    """

    name: Name = "study"
    about: str = ""
    model: Part
    data: Part
    task: Part = CLASSIFICATION
    training: Training = Training()
    train: str | None = None
    recipes: tuple[Recipe, ...] = Field(min_length=1)
    rates: tuple[Rate, ...] = Field(min_length=1)
    controls: Controls = Controls()
    control_recipes: tuple[Control, ...] = ()
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), min_length=1)
    margin: float | None = Field(default=None, gt=0)
    metric: Metric = Metric()
    measurement: Measurement = Measurement()
    execution: Execution = Execution()
    tracking: Mapping[str, bool | str | dict[str, JsonValue]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _resolved_before_longer_controls(cls, table: Any) -> Any:
        """A study that was spelled out has said which controls it has; one that says nothing of the longer has none."""
        if isinstance(table, dict) and "control_recipes" in table and isinstance(table.get("controls"), dict):
            return {**table, "controls": {"dense_longer": False, **table["controls"]}}
        return table

    @model_validator(mode="before")
    @classmethod
    def _metric_with_its_margin(cls, table: Any) -> Any:
        """A study that names a margin is read with it, also one that was stored before there were tasks.

        Where it names a task and no metric, what the margin is in is known once that task is looked up.
        """
        if not isinstance(table, dict) or table.get("margin") is None or ("task" in table and "metric" not in table):
            return table
        metric = table.get("metric", {})
        known = metric.model_dump() if isinstance(metric, Metric) else metric
        return {**table, "metric": {**known, "margin": table["margin"]}} if isinstance(known, dict) else table

    @field_validator("recipes", mode="before")
    @classmethod
    def _by_name(cls, recipes: Any) -> Any:
        """Built-in recipes may be named."""
        return [_recipe(one) if isinstance(one, str) else one for one in recipes] if _is_list(recipes) else recipes

    @field_validator("train", mode="before")
    @classmethod
    def _loop_in_a_file(cls, train: Any) -> Any:
        return reference_of(train) if callable(train) else train

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

    @model_serializer(mode="wrap")
    def _as_before_it_existed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study of classification has the digest that it had when there was no other task."""
        absent = {
            "train": self.train is None,
            "task": self.task == CLASSIFICATION,
            "metric": self.metric == Metric(),
            "margin": self.margin is None,
            "tracking": not self.tracking,
        }
        return {key: value for key, value in handler(self).items() if not absent.get(key)}

    @cached_property
    def digest(self) -> str:
        """Identity of all that can change a result or a measurement; others cannot."""
        return digest(self.model_dump(mode="json", exclude={"about", "execution", "margin", "metric", "tracking"}))

    @property
    def functions(self) -> dict[str, str]:
        """The functions in Python files of the user's own that it names, `file.py:function`, by the key."""
        parts = {"model": self.model, "data": self.data, "task": self.task}
        named = {key: part.name for key, part in parts.items()} | {"train": self.train or ""}
        return {key: name for key, name in named.items() if ".py:" in name}

    def run(self, folder: str | Path | None = None, *, progress: bool = True, **options: Any) -> Any:
        """Run what is not finished of the study, or go on with it; `prunus.run_study` with what came out.

        Args:
            folder: of the study; `studies/NAME` if left out.
            progress: show how it gets on, in a notebook or on standard error.
            options: those of `prunus.Options`, such as `workers=2`.

        Returns:
            `prunus.Results`.
        """
        # By name, since a specification stands below all that runs it, and whoever only reads one needs no torch.
        return import_module("prunus.results").run(self, folder, progress=progress, **options)

    def trials(self) -> tuple[Trial, ...]:
        """Spell out the trials, seed by seed: unpruned first, then each recipe at each rate, then controls.

        A recipe at rate 0 would be the unpruned network again, unless it quantises.
        """
        cells: list[tuple[Recipe | None, float, Training]] = [(None, 0.0, self.training)]
        at_all = ((recipe, rate) for recipe in self.recipes for rate in self.rates if rate > 0 or recipe.bits)
        cells += [(recipe, rate, self.training) for recipe, rate in at_all]
        own = {recipe.name for recipe in self.recipes}
        for one in self.control_recipes:
            if one.recipe.name not in own:
                epochs = one.epochs or (self.training.epochs,) * len(one.rates)
                longer = (self.training.model_copy(update={"epochs": count}) for count in epochs)
                cells += [(one.recipe, *of_rate) for of_rate in zip(one.rates, longer, strict=True)]
        return tuple(
            Trial(
                model=self.model,
                data=self.data,
                task=self.task,
                training=training,
                train=self.train,
                recipe=recipe,
                rate=rate,
                seed=seed,
            )
            for seed in self.seeds
            for recipe, rate, training in cells
        )
