"""`prunus list`: the names that a study or a command can use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunus.errors import InputError, nearest

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from prunus.registry import Registry

Names = Iterable[tuple[str, str]]
"""Name and what it is, in one line."""


class ListedKind(StrEnum):
    """What can be listed."""

    STUDIES = "studies"
    RECIPES = "recipes"
    MODELS = "models"
    DATA = "data"
    TASKS = "tasks"
    PATTERNS = "patterns"
    CRITERIA = "criteria"
    ALLOCATIONS = "allocations"
    SCHEDULES = "schedules"
    OPTIMIZERS = "optimizers"
    AUGMENTATIONS = "augmentations"
    RUNTIMES = "runtimes"
    TRACKERS = "trackers"
    TORCHVISION = "torchvision"
    TIMM = "timm"


FAMILIES = (ListedKind.TORCHVISION, ListedKind.TIMM)
"""Too many to be shown unasked."""


def listed_kind(name: str) -> ListedKind:
    """The kind of that name. Raises `InputError` with the nearest.

    >>> listed_kind("patterns").value
    'patterns'
    """
    known = [kind.value for kind in ListedKind]
    if name not in known:
        raise InputError(f"There is nothing called {name!r} to list", "", nearest(name, known))
    return ListedKind(name)


def list_names(
    kind: Annotated[
        ListedKind | None,
        typer.Argument(
            help="What to list; all but the networks of torchvision and timm, if left out.",
            metavar="KIND",
            parser=listed_kind,
            autocompletion=lambda: [each.value for each in ListedKind],
        ),
    ] = None,
) -> None:
    """List the names of studies, recipes, models and data, and of all parts of a study with their settings."""
    for one in [kind] if kind else [each for each in ListedKind if each not in FAMILIES]:
        if kind is None:
            typer.secho(one.value, bold=True)
        for line in lines_of(list(NAMES[one]()), indent=2 * (kind is None), width=_width()):
            typer.echo(line)


def lines_of(entries: list[tuple[str, str]], indent: int, width: int | None) -> Iterator[str]:
    """One line per name; wrapped beside the names where there is a width.

    >>> list(lines_of([("mlp", "linear layers"), ("vgg11", "")], 2, None))
    ['  mlp    linear layers', '  vgg11']
    """
    import textwrap

    longest = max((len(name) for name, _ in entries), default=0)
    for name, what in entries:
        head = f"{' ' * indent}{name:{longest}}  "
        if width is None:
            yield f"{head}{what}".rstrip()
        else:
            yield from textwrap.wrap(what, width, initial_indent=head, subsequent_indent=" " * len(head)) or [head]


def _width() -> int | None:
    """Columns of the terminal; None where the reader is a program."""
    import shutil
    import sys

    return max(60, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def _studies() -> Names:
    from prunus.spec import builtin_studies, load_study

    return ((name, load_study(name).about) for name in builtin_studies())


def _recipes() -> Names:
    from prunus.spec import builtin_recipes

    return ((recipe.name, recipe.about) for recipe in builtin_recipes().values())


def _models() -> Names:
    from prunus.models import MODELS
    from prunus.models.build import FOLDER, FUNCTION

    yield from _described(MODELS)
    for family in FAMILIES:
        yield f"{family.value}:NAME", f"A network of {family.value}; `prunus list {family.value}` has the names."
    yield FOLDER, "A folder that transformers' save_pretrained wrote, with its weights."
    yield FUNCTION, "A function of your own that returns a torch.nn.Module."


def _data() -> Names:
    from prunus.data import DATA
    from prunus.data.load import FUNCTION

    yield from _described(DATA)
    yield FUNCTION, "A function of your own that returns (x_train, y_train, x_test, y_test) or a prunus.Dataset."


def _tasks() -> Names:
    from prunus.spec import Metric
    from prunus.tasks import TASKS

    for name, what in _described(TASKS):
        metric = TASKS.get(name).metric  # of a class whose settings decide, a property
        if isinstance(metric, Metric):
            unit = f", {metric.unit}" if metric.unit else ""
            direction = "higher" if metric.higher_is_better else "lower"
            yield name, f"{what} Compared by: {metric.name}{unit}, {direction} is better."
        else:
            yield name, what
    yield "file.py:CLASS", "A class of your own, made from prunus.tasks.Task."


def _patterns() -> Names:
    from prunus.prune import PATTERNS

    return _described(PATTERNS)


def _criteria() -> Names:
    from prunus.prune.criteria import CRITERIA

    return _described(CRITERIA)


def _allocations() -> Names:
    from prunus.prune import ALLOCATIONS

    return _described(ALLOCATIONS)


def _schedules() -> Names:
    from prunus.prune import SCHEDULES

    return _described(SCHEDULES)


def _optimizers() -> Names:
    from prunus.train import OPTIMIZERS

    return _described(OPTIMIZERS)


def _augmentations() -> Names:
    from prunus.train import AUGMENTATIONS

    return _described(AUGMENTATIONS)


def _runtimes() -> Names:
    from prunus.measure import RUNTIMES

    return _described(RUNTIMES)


def _trackers() -> Names:
    from prunus.tracking import TRACKERS

    return _described(TRACKERS)


def _family(family: ListedKind) -> Names:
    from prunus.models import family_names

    return ((name, "") for name in family_names(family.value))


def _described(registry: Registry[Any]) -> Names:
    """Each part with the first line of its documentation and its settings; broken ones are told of beside the list."""
    for error in registry.broken().values():
        typer.secho(f"warning: {error}", fg="yellow", err=True)
    for name in registry:
        part = registry.get(name)
        what = (part.__doc__ or "").strip().split("\n", 1)[0]
        settings = ", ".join(_setting(*item) for item in getattr(part, "model_fields", {}).items())
        yield name, f"{what} Settings: {settings}." if settings else what


def _setting(name: str, field: FieldInfo) -> str:
    """A setting with its default as TOML has it; None cannot be written there."""
    import json

    if field.is_required():
        return f"{name} (must be given)"
    default = field.get_default(call_default_factory=True)
    return name if default is None else f"{name} = {json.dumps(default, default=str)}"


NAMES: dict[ListedKind, Callable[[], Names]] = {
    ListedKind.STUDIES: _studies,
    ListedKind.RECIPES: _recipes,
    ListedKind.MODELS: _models,
    ListedKind.DATA: _data,
    ListedKind.TASKS: _tasks,
    ListedKind.PATTERNS: _patterns,
    ListedKind.CRITERIA: _criteria,
    ListedKind.ALLOCATIONS: _allocations,
    ListedKind.SCHEDULES: _schedules,
    ListedKind.OPTIMIZERS: _optimizers,
    ListedKind.AUGMENTATIONS: _augmentations,
    ListedKind.RUNTIMES: _runtimes,
    ListedKind.TRACKERS: _trackers,
    ListedKind.TORCHVISION: lambda: _family(ListedKind.TORCHVISION),
    ListedKind.TIMM: lambda: _family(ListedKind.TIMM),
}
