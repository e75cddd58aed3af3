"""`prunus list`: the names that a study or a command can use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer

Names = Iterable[tuple[str, str]]
"""Name and what it is, in one line."""


class Kind(StrEnum):
    """What can be listed."""

    STUDIES = "studies"
    RECIPES = "recipes"
    MODELS = "models"
    DATA = "data"
    CRITERIA = "criteria"
    PATTERNS = "patterns"
    ALLOCATIONS = "allocations"
    SCHEDULES = "schedules"
    RUNTIMES = "runtimes"


def list_names(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; all of it, if left out.")] = None,
) -> None:
    """List the names of studies, recipes, models, data and of all parts of a recipe."""
    for one in [kind] if kind else list(Kind):
        if kind is None:
            typer.secho(one.value, bold=True)
        entries = list(NAMES[one]())
        width = max((len(name) for name, _ in entries), default=0)
        for name, what in entries:
            typer.echo(f"{'  ' * (kind is None)}{name:{width}}  {what}".rstrip())


def _studies() -> Iterator[tuple[str, str]]:
    from prunus.spec import builtin_studies, load_study

    return ((name, load_study(name).about) for name in builtin_studies())


def _recipes() -> Iterator[tuple[str, str]]:
    from prunus.spec import builtin_recipes

    return ((recipe.name, recipe.about) for recipe in builtin_recipes().values())


def _models() -> Iterator[tuple[str, str]]:
    from prunus.models import MODELS, model_names

    return _described(model_names(), MODELS)


def _data() -> Iterator[tuple[str, str]]:
    from prunus.data import DATA, data_names

    return _described(data_names(), DATA)


def _criteria() -> Iterator[tuple[str, str]]:
    from prunus.prune.criteria import CRITERIA

    return _described(CRITERIA, CRITERIA)


def _patterns() -> Iterator[tuple[str, str]]:
    from prunus.prune import PATTERNS

    return _described(PATTERNS, PATTERNS)


def _allocations() -> Iterator[tuple[str, str]]:
    from prunus.prune import ALLOCATIONS

    return _described(ALLOCATIONS, ALLOCATIONS)


def _schedules() -> Iterator[tuple[str, str]]:
    from prunus.prune import SCHEDULES

    return _described(SCHEDULES, SCHEDULES)


def _runtimes() -> Iterator[tuple[str, str]]:
    from prunus.measure import RUNTIMES

    return _described(RUNTIMES, RUNTIMES)


def _described(names, registry) -> Iterator[tuple[str, str]]:  # type: ignore[no-untyped-def]
    """Each name with the first line of its part's documentation; names such as `timm:NAME` stand for many."""
    for name in names:
        documentation = registry.get(name).__doc__ if name in registry else ""
        yield name, (documentation or "").strip().split("\n", 1)[0]


NAMES: dict[Kind, Callable[[], Names]] = {
    Kind.STUDIES: _studies,
    Kind.RECIPES: _recipes,
    Kind.MODELS: _models,
    Kind.DATA: _data,
    Kind.CRITERIA: _criteria,
    Kind.PATTERNS: _patterns,
    Kind.ALLOCATIONS: _allocations,
    Kind.SCHEDULES: _schedules,
    Kind.RUNTIMES: _runtimes,
}
