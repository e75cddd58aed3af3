"""The rate at which a recipe's network has the latency that its allocation asks for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunus.channels import ChannelCutter, plan
from prunus.channels.cost_model import masks_of
from prunus.channels.latency_target import Found, Tell, find_latency
from prunus.prune import ALLOCATIONS, PATTERNS, apply_masks
from prunus.prune.allocations import Allocation
from prunus.prune.criteria.magnitude import Magnitude
from prunus.prune.criteria.scoring import unit_scores
from prunus.spec import Recipe, make
from prunus.trace.copying import fresh_copy
from prunus.train.scope import PruningScope


def find_recipe_rate(
    model: nn.Module, recipe: Recipe, scope: PruningScope, example_inputs: Any, tell: Tell = lambda _: None
) -> Found:
    """The rate at which a recipe's network has its latency; the model, whatever its weights are, stays as it is.

    Units go by their magnitude: the recipe's own criterion may need a training, and a latency hardly depends on which.
    Where channels go for good the cut network is timed, else the masked one.
    """
    original = fresh_copy(model).cpu().eval()
    allocation, pattern = make(ALLOCATIONS, recipe.allocation), make(PATTERNS, recipe.pattern)
    sets, inputs = scope.unit_sets, _on_cpu(example_inputs)
    scores = [unit_scores(Magnitude(), original, one, {}, torch.Generator()) for one in sets]
    groups = [one.group for one in sets if one.group is not None]
    cutter = scope.cutter
    if groups and recipe.permanence == "permanent":
        cutter = cutter or ChannelCutter(original, inputs, outputs=scope.outputs)

    def pruned_at(rate: float) -> nn.Module:
        pattern.check_rate(rate)
        counts = [one.rounded(count) for one, count in zip(sets, allocation.counts(sets, scores, rate), strict=True)]
        gone = {one.name: one.lowest(score, count) for one, score, count in zip(sets, scores, counts, strict=True)}
        if cutter is not None:
            kept = plan(groups, {name: ~units for name, units in gone.items()})
            return cutter.shrink(original, kept, every_way=False).model
        masked = fresh_copy(original)
        apply_masks(masked, masks_of(sets, gone))
        return masked

    return find_latency(original, inputs, allocation, pruned_at, tell)


def _on_cpu(inputs: Any) -> Any:
    return inputs.cpu() if isinstance(inputs, Tensor) else inputs


def latency_wanted(recipe: Recipe) -> Allocation | None:
    """The recipe's allocation, if it is to come to a latency whose rate is not found yet."""
    allocation = make(ALLOCATIONS, recipe.allocation)
    return allocation if allocation.latency_ms is not None and allocation.found_rate is None else None


def at_rate(recipe: Recipe, rate: float) -> Recipe:
    """The recipe with the rate found."""
    part = recipe.allocation
    settled = part.model_copy(update={"settings": {**part.settings, "found_rate": rate}})
    return recipe.model_copy(update={"allocation": settled})
