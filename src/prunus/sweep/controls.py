"""From a study's recipes to its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prunus.errors import InputError, nearest
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.criteria import CRITERIA
from prunus.spec import Control, Controls, Part, Recipe, builtin_recipes, spelled_out
from prunus.spec.controls import Kind

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
    found: dict[Recipe, Control] = {}
    for recipe in recipes:
        if recipe.criterion.name == "random" or (asked.recipes is not None and recipe.name not in asked.recipes):
            continue
        for kind in _wanted(asked):
            made = MAKERS[kind](recipe)
            parts = _parts(made)
            shared = found.get(parts) or Control(kind=kind, recipe=own.get(parts, made), of=(), rates=at)
            found[parts] = shared.model_copy(update={"of": (*shared.of, recipe.name)})
    return _named_apart(found, recipes)


def _refuse_unknown(asked: Controls, names: Sequence[str]) -> None:
    """Raises `InputError` for a name that is no recipe's; one that a study only leaves out has no controls."""
    for name in asked.recipes or ():
        if name not in names and name not in builtin_recipes():
            raise InputError(f"'controls.recipes' names {name!r}", "no recipe is called so", nearest(name, names))


def _wanted(asked: Controls) -> list[Kind]:
    return [kind for kind in MAKERS if getattr(asked, kind)]


def _parts(recipe: Recipe) -> Recipe:
    """All that decides how a recipe prunes."""
    return recipe.model_copy(update={"name": "parts", "about": ""})


def _named_apart(found: Mapping[Recipe, Control], recipes: Sequence[Recipe]) -> tuple[Control, ...]:
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
    """The same with units drawn at random."""
    return recipe.model_copy(
        update={
            "name": f"{recipe.name[:LONGEST_NAME]}-random",
            "about": f"Control: as {recipe.name}, but what goes is drawn at random.",
            "criterion": spelled_out(CRITERIA, Part(name="random")),
        }
    )


def _dense(recipe: Recipe) -> Recipe:
    """A network of fewer channels from the beginning.

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
    )


MAKERS: dict[Kind, Callable[[Recipe], Recipe]] = {"random": _random, "dense": _dense}
