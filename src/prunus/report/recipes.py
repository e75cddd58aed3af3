"""What the analysis needs to know of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from prunus.spec.trial import Recipe
from prunus.store.study_rows import StudyRows

FAMILY = {"element": "unstructured", "row": "structured", "channel": "structured"}
"""Which of the reference experiment's two kinds a pattern is of."""

COUNTED = ("params", "macs", "bops")
Family = Literal["unstructured", "structured"]


@dataclass(frozen=True)
class RecipeTarget:
    """The cost that a recipe is to come to, instead of a share of units.

    kind: `params`, `macs`, `bops` or `latency_ms`. asked: None where each rate is the share of it that goes.
    place: runtime, batch size and threads of a latency.
    """

    kind: str
    asked: float | None
    place: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class RecipeTraits:
    """One recipe: its pattern, which of the reference experiment's two kinds that is, and how it treats the output."""

    name: str
    about: str
    pattern: str
    family: str | None  # None: neither of the reference experiment's kinds
    permanence: str | None
    output_pruned: bool | None  # None: neither the specification nor the rows tell
    control: str | None = None  # `random`, `dense` or `dense_longer`, if it is there for others to be compared with
    target: RecipeTarget | None = None
    quantises: bool = False

    @property
    def is_reference_way(self) -> bool:
        """Prunes as the reference experiment did: masks let go, the output layer included."""
        return self.permanence == "regrow" and self.output_pruned is True

    @property
    def way(self) -> str:
        """In words: how long masks stay and whether the output layer is pruned."""
        masks = {"regrow": "masks let go", "permanent": "masks permanent"}.get(self.permanence or "", "")
        output = {True: "output layer pruned", False: "output layer protected"}.get(self.output_pruned or False, "")
        if self.output_pruned is None:
            output = ""
        return ", ".join(part for part in (masks, output) if part)


def recipe_traits(rows: StudyRows) -> tuple[RecipeTraits, ...]:
    """The study's recipes in its order, then its other controls, then any that only the trials name."""
    pruned = _output_pruned(rows)
    kinds = {one.recipe.name: one.kind for one in rows.study.control_recipes}
    own = {recipe.name for recipe in rows.study.recipes}
    others = (one.recipe for one in rows.study.control_recipes if one.rates and one.recipe.name not in own)
    known = [_of_specification(one, pruned, kinds.get(one.name)) for one in (*rows.study.recipes, *others)]
    names = {recipe.name for recipe in known}
    for trial in rows.trials:
        if trial.recipe is not None and trial.recipe not in names:
            names.add(trial.recipe)
            pattern = trial.pattern or "unknown"
            known.append(RecipeTraits(trial.recipe, "", pattern, FAMILY.get(pattern), None, pruned.get(trial.recipe)))
    return tuple(known)


def _of_specification(recipe: Recipe, pruned: dict[str, bool], control: str | None) -> RecipeTraits:
    pattern = recipe.pattern.name
    output = pruned.get(recipe.name, "output" not in recipe.protect)
    family, target = FAMILY.get(pattern), _target(recipe.allocation.settings)
    quantises = recipe.bits is not None
    return RecipeTraits(
        recipe.name, recipe.about, pattern, family, recipe.permanence, output, control, target, quantises
    )


def _target(settings: Mapping[str, JsonValue]) -> RecipeTarget | None:
    """Settings of a stranger's may be anything."""
    for kind in COUNTED:
        if isinstance(asked := settings.get(kind), float):
            return RecipeTarget(kind, asked)
    if isinstance(asked := settings.get("latency_ms"), float | int):
        runtime, batch_size, threads = (settings.get(key) for key in ("runtime", "batch_size", "threads"))
        if isinstance(runtime, str) and isinstance(batch_size, int) and isinstance(threads, int):
            return RecipeTarget("latency_ms", float(asked), (runtime, batch_size, threads))
    rate_of = settings.get("rate_of")
    return RecipeTarget(rate_of, None) if isinstance(rate_of, str) and rate_of in COUNTED else None


def _output_pruned(rows: StudyRows) -> dict[str, bool]:
    """Whether anything was asked of the output layer, by the layers of the recipe's trials."""
    recipes = {trial.trial: trial.recipe for trial in rows.trials if trial.recipe is not None}
    asked: dict[str, bool] = {}
    for layer in rows.layers:
        recipe = recipes.get(layer.trial)
        if recipe is not None and layer.output:
            asked[recipe] = asked.get(recipe, False) or (layer.rate is not None and layer.rate > 0)
    return asked
