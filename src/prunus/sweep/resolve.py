"""Spelling a study out: every part exists, every setting is valid, every default and every control is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from prunus.data import DATA
from prunus.errors import InputError, nearest
from prunus.models import MODELS, without_weights
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.criteria import CRITERIA
from prunus.registry import Registry
from prunus.spec import Control, Controls, Metric, Part, Recipe, Study, Training, builtin_recipes, spelled_out
from prunus.spec.controls import ControlKind
from prunus.tasks import CLASSIFICATION, TASKS, Classification, Task, task_of
from prunus.train import AUGMENTATIONS, OPTIMIZERS

LONGEST_NAME = 50
TARGETS = ("params", "macs", "bops", "rate_of", "latency_ms")
"""Settings of an allocation that say what a recipe costs in the end."""
PLACE = ("runtime", "batch_size", "threads")
"""Settings that say where a latency is measured."""


def controls_of(recipes: Sequence[Recipe], asked: Controls, rates: Sequence[float]) -> tuple[Control, ...]:
    """The controls of a study whose recipes are spelled out; those that prune in the same way share theirs.

    A recipe of the study that is a control of others already is not made once more.
    """
    _refuse_unknown(asked, [recipe.name for recipe in recipes])
    at = tuple(rate for rate in rates if rate > 0 and (asked.rates is None or rate in asked.rates))
    own = {_parts(recipe): recipe for recipe in reversed(recipes)}
    found: dict[tuple[Recipe, ...], Control] = {}
    for recipe in recipes:
        if recipe.criterion.name == "random" or (asked.recipes is not None and recipe.name not in asked.recipes):
            continue
        for kind in _wanted(asked):
            made = MAKERS[kind](recipe)
            parts = _parts(made)
            taken = made if kind == "dense_longer" else own.get(parts, made)  # the study's own train for its epochs
            shares = (parts, _by_chance(recipe)) if kind == "dense_longer" else (parts,)
            shared = found.get(shares) or Control(kind=kind, recipe=taken, of=(), rates=at)
            found[shares] = shared.model_copy(update={"of": (*shared.of, recipe.name)})
    return _named_apart(found, recipes)


def _refuse_unknown(asked: Controls, names: Sequence[str]) -> None:
    """Raises `InputError` for a name that is no recipe's; one that a study only leaves out has no controls."""
    for name in asked.recipes or ():
        if name not in names and name not in builtin_recipes():
            raise InputError(f"'controls.recipes' names {name!r}", "no recipe is called so", nearest(name, names))


def _wanted(asked: Controls) -> list[ControlKind]:
    return [kind for kind in MAKERS if getattr(asked, kind)]


def _parts(recipe: Recipe) -> Recipe:
    """All that decides how a recipe prunes."""
    return recipe.model_copy(update={"name": "parts", "about": ""})


def _by_chance(recipe: Recipe) -> Recipe:
    """All that decides what a recipe's training costs: its criterion does not."""
    return _parts(recipe).model_copy(update={"criterion": Part(name="random")})


def _named_apart(found: Mapping[tuple[Recipe, ...], Control], recipes: Sequence[Recipe]) -> tuple[Control, ...]:
    """A control that is no recipe of the study gets a name that none has."""
    taken = {recipe.name: recipe for recipe in recipes}
    named = []
    for control in found.values():
        name = control.recipe.name
        while taken.setdefault(name, control.recipe) is not control.recipe:
            name += "-control"
        named.append(control.model_copy(update={"recipe": control.recipe.model_copy(update={"name": name})}))
    return tuple(named)


def _random(recipe: Recipe) -> Recipe:
    """The recipe with units drawn at random."""
    return recipe.model_copy(
        update={
            "name": f"{recipe.name[:LONGEST_NAME]}-random",
            "about": f"Control: as {recipe.name}, but what goes is drawn at random.",
            "criterion": spelled_out(CRITERIA, Part(name="random")),
        }
    )


def _dense(recipe: Recipe) -> Recipe:
    """A network of fewer channels from the beginning, with the recipe's bits.

    Of a recipe that prunes channels, what that leaves at the same rate; of others, as many parameters as their rate
    leaves, or what they are to come to.
    """
    pattern, allocation = recipe.pattern, recipe.allocation
    if pattern.name != "channel":
        asked = [key for key in TARGETS if allocation.settings.get(key) not in (None, "units")]
        asked += PLACE if "latency_ms" in asked else ()
        target = {key: allocation.settings[key] for key in asked}
        pattern = spelled_out(PATTERNS, Part(name="channel"))
        allocation = spelled_out(ALLOCATIONS, Part(name="uniform", settings=target or {"rate_of": "params"}))
    return Recipe(
        name=f"{recipe.name[:LONGEST_NAME]}-dense",
        about=f"Control: a dense network of the cost of {recipe.name}, cut before the training.",
        pattern=pattern,
        criterion=spelled_out(CRITERIA, Part(name="random")),
        allocation=allocation,
        schedule=spelled_out(SCHEDULES, Part(name="at_init")),
        protect=("output", *(entry for entry in recipe.protect if entry != "output")),
        bits=recipe.bits,
    )


def _dense_longer(recipe: Recipe) -> Recipe:
    """The dense network of the same cost; how much longer it trains is found once the network is known."""
    return _dense(recipe).model_copy(
        update={
            "name": f"{recipe.name[:LONGEST_NAME]}-dense-longer",
            "about": f"Control: a dense network of the cost of {recipe.name}, trained for as many MACs as that in all.",
        }
    )


MAKERS: dict[ControlKind, Callable[[Recipe], Recipe]] = {
    "random": _random,
    "dense": _dense,
    "dense_longer": _dense_longer,
}


def resolve(study: Study) -> Study:
    """The same study with the defaults of all its parts written out. Raises `InputError` for unknown parts."""
    recipes = tuple(_recipe(recipe) for recipe in study.recipes)
    task = task_of(study.task)
    return study.model_copy(
        update={
            "model": _model(study.model),
            "data": _if_registered(DATA, study.data),
            "task": _task(study.task, task),
            "metric": _metric(task, study.margin),
            "training": _training(study.training, task),
            "recipes": recipes,
            "control_recipes": controls_of(recipes, study.controls, study.rates),
        }
    )


def _model(part: Part) -> Part:
    """With the file of trained weights, if it names one, as it is."""
    architecture, weights = without_weights(part)
    spelled = _if_registered(MODELS, architecture)
    return (
        spelled
        if "weights" not in part.settings
        else Part(name=spelled.name, settings={**spelled.settings, "weights": weights})
    )


def _if_registered(registry: Registry[Any], part: Part) -> Part:
    """Parts such as `torchvision:NAME` and `file.py:function` have defaults that only their makers know."""
    return part if ":" in part.name else spelled_out(registry, part)


def _task(part: Part, task: Task) -> Part:
    """With its settings, but for the task of all studies that were run before there was another."""
    return CLASSIFICATION if task == Classification() else _if_registered(TASKS, part)


def _metric(task: Task, margin: float | None) -> Metric:
    return task.metric if margin is None else Metric(**{**task.metric.model_dump(), "margin": margin})


def _training(training: Training, task: Task) -> Training:
    if training.label_smoothing and not task.smooths:
        raise InputError(
            f"training.label_smoothing is {training.label_smoothing:g}",
            f"the task {type(task).__name__} has no labels that could be smoothed",
            "leave it out",
        )
    if training.distillation is not None and not task.distils:
        raise InputError(
            "training.distillation cannot be had",
            f"the task {type(task).__name__} has nothing to learn from another network's outputs",
            "leave it out",
        )
    return training.model_copy(
        update={
            "optimizer": spelled_out(OPTIMIZERS, training.optimizer),
            "augment": tuple(spelled_out(AUGMENTATIONS, part) for part in training.augment),
        }
    )


def _recipe(recipe: Recipe) -> Recipe:
    with naming(recipe):
        return recipe.model_copy(
            update={
                "pattern": spelled_out(PATTERNS, recipe.pattern),
                "criterion": spelled_out(CRITERIA, recipe.criterion),
                "allocation": spelled_out(ALLOCATIONS, recipe.allocation),
                "schedule": spelled_out(SCHEDULES, recipe.schedule),
            }
        )


@contextmanager
def naming(recipe: Recipe | None) -> Iterator[None]:
    """What is wrong with a recipe's parts is told with its name, since a study may have many."""
    try:
        yield
    except InputError as error:
        if recipe is None:
            raise
        raise InputError(f"Recipe '{recipe.name}': {_lower(error.what)}", error.why, error.do) from None


def _lower(text: str) -> str:
    """The text as it stands in the middle of a sentence, unless it begins with a name.

    >>> _lower("The schedule"), _lower("'a' is")
    ('the schedule', "'a' is")
    """
    return text[:1].lower() + text[1:]
