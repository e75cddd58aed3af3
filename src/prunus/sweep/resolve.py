"""Spelling a study out: every part exists, every setting is valid, every default is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prunus.data import DATA
from prunus.errors import InputError
from prunus.models import MODELS
from prunus.prune import ALLOCATIONS, PATTERNS, SCHEDULES
from prunus.prune.criteria import CRITERIA
from prunus.registry import Registry
from prunus.spec import Part, Recipe, Study, Training, spelled_out
from prunus.sweep.controls import controls_of
from prunus.train import AUGMENTATIONS, OPTIMIZERS


def resolve(study: Study) -> Study:
    """The same study with the defaults of all its parts written out. Raises `InputError` for unknown parts."""
    recipes = tuple(_recipe(recipe) for recipe in study.recipes)
    return study.model_copy(
        update={
            "model": _if_registered(MODELS, study.model),
            "data": _if_registered(DATA, study.data),
            "training": _training(study.training),
            "recipes": recipes,
            "control_recipes": controls_of(recipes, study.controls, study.rates),
        }
    )


def _if_registered(registry: Registry[Any], part: Part) -> Part:
    """Parts such as `torchvision:NAME` and `file.py:function` have defaults that only their makers know."""
    return part if ":" in part.name else spelled_out(registry, part)


def _training(training: Training) -> Training:
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
    """As it stands in the middle of a sentence, unless it begins with a name.

    >>> _lower("The schedule"), _lower("'a' is")
    ('the schedule', "'a' is")
    """
    return text[:1].lower() + text[1:]
