"""The recipes that come with the package."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from prunus.spec.trial import Recipe

BUILTIN = files("prunus.spec") / "builtin"


@cache
def builtin_recipes() -> dict[str, Recipe]:
    """The recipes that any study can name.

    Returns:
        Name -> recipe.

    Example:
        >>> builtin_recipes()["unstructured"].pattern.name
        'element'
    """
    tables = tomllib.loads((BUILTIN / "recipes.toml").read_text("utf-8"))
    return {name: Recipe.model_validate({"name": name, **table}) for name, table in tables.items()}
