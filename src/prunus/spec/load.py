"""Reading a study: a built-in name or a TOML file, with single keys set on top."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunus.errors import InputError, nearest
from prunus.spec._mistakes import first_of, key_of, why_and_what_to_do
from prunus.spec.builtin_recipes import BUILTIN, builtin_recipes
from prunus.spec.part import Part
from prunus.spec.study import Study
from prunus.spec.trial import Recipe
from prunus.system.reading import read_whole

LARGEST_BYTES = 2**24
LONGEST_NAME = 64
HF = "hf:"
"""What the name of a model begins with that is a folder."""


def builtin_studies() -> tuple[str, ...]:
    """Names of the studies that come with the package.

    Returns:
        The names, sorted; `load_study` takes each.

    Example:
        >>> "digits" in builtin_studies()
        True
    """
    return tuple(sorted(f.name.removesuffix(".toml") for f in BUILTIN.iterdir() if f.name != "recipes.toml"))


FOLLOWING = (
    ("control_recipes", "they follow from 'controls'", "see docs/guide.md"),
    ("metric", "it is that of the 'task'", "name a task, by itself or with another 'margin'"),
)
"""Keys of a study that others decide, from what, and what to do instead."""


def load_study(source: str | Path, overrides: Iterable[str] = ()) -> Study:
    """Read a study from a built-in name or a TOML file, then set single keys.

    In the file, `recipes` lists names; each is a built-in recipe or a table `[recipe.NAME]` of the same file, which may
    be `like = "BUILT-IN"` with some keys changed. Paths of data and of `file.py:function` are relative to the file.

    Args:
        source: one of `builtin_studies()`, or the path of a TOML file.
        overrides: keys to set, such as `training.epochs=10`; the value is read as TOML.

    Returns:
        The study, validated, with paths made absolute.

    Raises:
        InputError: names the file and the key that is wrong.

    Example:
        >>> study = load_study("digits", ["rates=[0.5]", "training.epochs=3"])
        >>> study.rates, study.training.epochs  # rate 0, the unpruned control, is always added
        ((0.0, 0.5), 3)
    """
    origin, text, folder = _read(source)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{origin} is not valid TOML", str(error), "mend that line") from None
    for override in overrides:
        set_key(table, override)
    table.setdefault("name", plain_name(Path(source).stem))
    _spell_out_recipes(table, origin)
    for key, why, do in FOLLOWING:
        if key in table:
            raise InputError(f"{origin}: {key!r} cannot be set", why, do)
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
        return f"study '{source}'", (BUILTIN / f"{source}.toml").read_text("utf-8"), Path.cwd()
    if path.suffix != ".toml":
        raise InputError(
            f"There is no study '{source}'",
            "it is neither a built-in study nor a TOML file",
            nearest(str(source), builtin_studies()),
        )
    try:
        return str(path), read_whole(path, LARGEST_BYTES).decode(), path.resolve().parent
    except OSError as error:
        raise InputError(f"The study {path} cannot be read", error.strerror or str(error), "check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The study {path} cannot be read", str(error), "write it in UTF-8") from None


def plain_name(text: str) -> str:
    """A study's name out of that of its file.

    >>> plain_name("My Study (2).v1"), plain_name("Prüfung"), plain_name("研究")
    ('my-study-2-.v1', 'prufung', 'study')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:LONGEST_NAME] or "study"


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
    except (ValueError, RecursionError) as error:
        raise InputError(f"--set {key} cannot be read", str(error), "correct its value") from None
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
        if base is not None and not isinstance(base, str):
            why = f"recipe.{name}.like is {base!r}, and it takes the name of a built-in recipe"
            raise InputError(f"{origin} is not a study that can be run", why, 'write for example like = "structured"')
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
    why, do = why_and_what_to_do(
        _key(where, table), first, _known_keys(where), "add it; docs/guide.md shows a whole study"
    )
    if first["type"] == "extra_forbidden" and (others := _in_other_sections(str(where[-1]))):
        do = f"did you mean {' or '.join(map(repr, others))}?"
    return why, do


def _in_other_sections(key: str) -> list[str]:
    """Where else in a study a key of that name may stand.

    >>> _in_other_sections("epochs"), _in_other_sections("rates"), _in_other_sections("epoch")
    (['training.epochs'], ['rates', 'controls.rates'], [])
    """
    sections = {name: field.annotation for name, field in Study.model_fields.items() if field.annotation is not Part}
    inner = [name for name, kind in sections.items() if key in getattr(kind, "model_fields", ())]
    return [key] * (key in sections) + [f"{name}.{key}" for name in inner]


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

    try:
        str(folder).encode()
    except UnicodeEncodeError:
        why = "a study keeps the paths of its files as text, and this one is none in the encoding of this machine"
        raise InputError(f"The folder {folder} cannot be used", why, "rename it, or set LC_ALL=C.UTF-8") from None

    parts = {key: with_absolute_files(getattr(study, key), folder) for key in ("model", "data", "task")}
    return study.model_copy(update={**parts, "train": study.train and _beside(folder, study.train)})


def with_absolute_files(part: Part, folder: Path) -> Part:
    """A part whose files, named relative to a folder, are named in full."""
    settings = dict(part.settings)
    for key in ("folder", "file", "weights"):
        if isinstance(value := settings.get(key), str):
            settings[key] = str(folder / os.path.expanduser(value))  # noqa: PTH111  # see reading.user_path
    return Part(name=_beside(folder, part.name), settings=settings)


def _beside(folder: Path, name: str) -> str:
    if name.startswith(HF):
        return f"{HF}{folder / os.path.expanduser(name.removeprefix(HF))}"  # noqa: PTH111  # see reading.user_path
    return str(folder / name) if ".py:" in name else name
