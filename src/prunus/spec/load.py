"""Reading a study: a built-in name or a TOML file, with single keys set on top."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunus.errors import InputError, nearest
from prunus.reading import read_whole
from prunus.spec.mistakes import first_of, key_of, why_and_what_to_do
from prunus.spec.part import Part
from prunus.spec.recipe import Recipe
from prunus.spec.study import Study

BUILTIN = files("prunus.spec") / "builtin"
LARGEST_BYTES = 2**24


def builtin_studies() -> tuple[str, ...]:
    """Names of the studies that come with the package."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in BUILTIN.iterdir() if f.name != "recipes.toml"))


@cache
def builtin_recipes() -> dict[str, Recipe]:
    """The recipes that any study can name."""
    tables = tomllib.loads((BUILTIN / "recipes.toml").read_text())
    return {name: Recipe.model_validate({"name": name, **table}) for name, table in tables.items()}


def load_study(source: str | Path, overrides: Iterable[str] = ()) -> Study:
    """Read a study from a built-in name or a TOML file, then set single keys (`training.epochs=10`).

    In the file, `recipes` lists names; each is a built-in recipe or a table `[recipe.NAME]` of the same file, which
    may be `like = "BUILT-IN"` with some keys changed. Paths of data and of `file.py:function` are relative to the file.

    Raises `InputError` that names the file and the key.
    """
    origin, text, folder = _read(source)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{origin} is not valid TOML", str(error), "mend that line") from None
    for override in overrides:
        set_key(table, override)
    table.setdefault("name", Path(source).stem)
    _spell_out_recipes(table, origin)
    if "control_recipes" in table:
        raise InputError(
            f"{origin}: 'control_recipes' cannot be set", "they follow from 'controls'", "see docs/guide.md"
        )
    try:
        study = Study.model_validate(table)
    except ValidationError as error:
        raise InputError(f"{origin} is not a study that can be run", *_explain(error, table)) from None
    return _with_absolute_files(study, folder)


def parse_study(table: Mapping[str, Any], origin: str) -> Study:
    """Validate a study that is already spelled out, such as the resolved one a study's folder keeps."""
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise InputError(f"{origin} is not a study that can be run", *_explain(error, table)) from None


def _read(source: str | Path) -> tuple[str, str, Path]:
    path = Path(source)
    if str(source) in builtin_studies():
        return f"study '{source}'", (BUILTIN / f"{source}.toml").read_text(), Path.cwd()
    if path.suffix != ".toml":
        raise InputError(
            f"There is no study '{source}'",
            "it is neither a built-in study nor a TOML file",
            nearest(str(source), builtin_studies()),
        )
    try:
        return str(path), read_whole(path, LARGEST_BYTES).decode(), path.resolve().parent
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The study {path} cannot be read", str(error), "check the path") from None


def set_key(table: dict[str, Any], override: str) -> None:
    """Set one key as `--set` does; the value is read as TOML, and a bare word is a string.

    >>> set_key(table := {"model": "mlp"}, "model.hidden=[16]")
    >>> table
    {'model': {'name': 'mlp', 'hidden': [16]}}
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {override!r} is not key=value", "", "write for example --set training.epochs=10")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *parents, last = key.strip().split(".")
    for name in parents:
        inner = table.get(name, {})
        if isinstance(inner, str):  # a part given by name alone
            inner = {"name": inner}
        if not isinstance(inner, dict):
            raise InputError(f"--set {override!r} goes into {name!r}, which is not a table", "", "check the key")
        table[name] = dict(inner)
        table = table[name]
    table[last] = value


def _spell_out_recipes(table: dict[str, Any], origin: str) -> None:
    own = table.pop("recipe", {})
    names = table.get("recipes", list(own) if isinstance(own, dict) else [])
    tables = isinstance(own, dict) and all(isinstance(one, dict) for one in own.values())
    if not tables or not isinstance(names, list):
        raise InputError(f"{origin}: 'recipes' is a list of names and [recipe.NAME] a table", "", "see docs/guide.md")
    table["recipes"] = [_recipe(name, own, origin) for name in names]


def _recipe(name: Any, own: Mapping[str, Any], origin: str) -> Any:
    known = builtin_recipes()
    if not isinstance(name, str):
        return name  # already a table
    if name in own:
        settings = dict(own[name])
        base = settings.pop("like", None)
        if base is not None and base not in known:
            raise InputError(f"{origin}: recipe '{name}' is like '{base}', which is unknown", "", nearest(base, known))
        return {**(known[base].model_dump() if base else {}), **settings, "name": name}
    if name not in known:
        raise InputError(f"{origin}: there is no recipe '{name}'", "", nearest(name, [*known, *own]))
    return known[name].model_dump()


def _explain(error: ValidationError, table: Mapping[str, Any]) -> tuple[str, str]:
    """One sentence for the first of pydantic's errors, and what to do about it."""
    first = first_of(error)
    where = first["loc"]
    return why_and_what_to_do(
        _key(where, table), first, _known_keys(where), "add it; docs/guide.md shows a whole study"
    )


def _key(location: tuple[int | str, ...], table: Mapping[str, Any]) -> str:
    """`recipes.1.pattern` becomes `recipe.NAME.pattern`."""
    if len(location) > 1 and location[0] == "recipes" and isinstance(location[1], int):
        recipe = table["recipes"][location[1]]
        if isinstance(recipe, dict):
            location = ("recipe", recipe.get("name", location[1]), *location[2:])
    return key_of(location)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Study
    for part in location[:-1]:
        if isinstance(part, int):
            model = Recipe
        elif part in model.model_fields and isinstance(model.model_fields[part].annotation, type):
            annotation = model.model_fields[part].annotation
            model = annotation if hasattr(annotation, "model_fields") else model
    return list(model.model_fields)


def _with_absolute_files(study: Study, folder: Path) -> Study:
    """Make the paths that a study file gives relative to itself absolute."""

    def absolute(part: Part) -> Part:
        name, settings = part.name, dict(part.settings)
        if ".py:" in name:
            name = str(folder / name)
        for key in ("folder", "file"):
            if isinstance(value := settings.get(key), str):
                settings[key] = str(folder / Path(value).expanduser())
        return Part(name=name, settings=settings)

    return study.model_copy(update={"model": absolute(study.model), "data": absolute(study.data)})
