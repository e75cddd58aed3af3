"""What prunes a network while it trains: a recipe at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunus.prune import (
    ALLOCATIONS,
    PATTERNS,
    SCHEDULES,
    Masks,
    PrunableLayer,
    UnitSet,
    apply_masks,
    lowest,
    protected_layers,
    prunable_layers,
    sparsity,
)
from prunus.prune.criteria import CRITERIA, Evidence
from prunus.spec import Recipe, make
from prunus.train.seeds import generator


@dataclass(frozen=True)
class Anatomy:
    """What a recipe sees in an architecture, whatever its weights are."""

    layers: tuple[PrunableLayer, ...]
    protected: frozenset[str]
    unit_sets: tuple[UnitSet, ...]

    @classmethod
    def of(cls, model: nn.Module, recipe: Recipe | None, example_inputs: Tensor) -> Anatomy:
        """Look at a network. Raises `InputError` for an unknown pattern or protected layer."""
        layers = prunable_layers(model, example_inputs)
        if recipe is None:
            return cls(layers, frozenset(), ())
        protected = protected_layers(layers, recipe.protect)
        pattern = make(PATTERNS, recipe.pattern)
        return cls(layers, protected, pattern.unit_sets(model, example_inputs, layers, protected))


class Pruner:
    """Prunes a network in place by a recipe, and keeps zeros zero where its masks are permanent.

    Call `after_step` after every optimiser step and `after_epoch` after every epoch. Without a recipe it does nothing,
    but it still knows the layers. `anatomy`: of a network of the same architecture and recipe, to save tracing it
    again. Raises `InputError` for unknown parts before anything is pruned.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe | None,
        rate: float,
        *,
        epochs: int,
        seed: int,
        example_inputs: Tensor,
        anatomy: Anatomy | None = None,
    ) -> None:
        self.model, self.recipe, self.rate, self.epochs, self.seed = model, recipe, rate, epochs, seed
        self.anatomy = anatomy or Anatomy.of(model, recipe, example_inputs)
        self.gone: dict[str, Tensor] = {}
        self._masked: list[tuple[nn.Parameter, Tensor]] = []
        if recipe is not None:
            self.criterion = make(CRITERIA, recipe.criterion)
            self.allocation = make(ALLOCATIONS, recipe.allocation)
            self.schedule = make(SCHEDULES, recipe.schedule)

    @property
    def layers(self) -> tuple[PrunableLayer, ...]:
        """All convolution and linear layers."""
        return self.anatomy.layers

    def after_step(self) -> None:
        """Set permanently masked weights back to zero; momentum and weight decay have moved them."""
        if self._masked:
            with torch.no_grad():
                torch._foreach_mul_([weight for weight, _ in self._masked], [mask for _, mask in self._masked])

    def after_epoch(self, epoch: int) -> None:
        """Prune if the schedule says so. Epochs count from 1."""
        share = self.schedule.share(epoch, self.epochs) if self.recipe else None
        if share is not None:
            self._prune(share * self.rate, epoch)

    def sparsity(self) -> float:
        """Share of all prunable weights that is zero, protected layers included."""
        return sparsity(self.model.get_parameter(layer.weight) for layer in self.layers)

    def masks(self) -> Masks:
        """The masks of the units that are gone for good."""
        masks: Masks = {}
        for one in self.anatomy.unit_sets:
            if one.name in self.gone:
                for name, spread in one.masked.items():
                    mask = spread(~self.gone[one.name])
                    masks[name] = masks[name] & mask if name in masks else mask
        return masks

    def restore(self, gone: Mapping[str, Tensor]) -> None:
        """Continue with units that are gone for good, as `gone` of another pruner of the same recipe held them."""
        device = next(self.model.parameters()).device
        self.gone = {name: units.to(device) for name, units in gone.items()}
        self._lay(self.masks())

    @torch.no_grad()
    def _prune(self, rate: float, epoch: int) -> None:
        scores = [self._scores(one, epoch) for one in self.anatomy.unit_sets]
        counts = self.allocation.counts(self.anatomy.unit_sets, scores, rate)
        before = self.gone
        self.gone = {
            one.name: lowest(score, count)
            for one, score, count in zip(self.anatomy.unit_sets, scores, counts, strict=True)
        }
        masks = self.masks()
        if self.recipe is not None and self.recipe.permanence == "permanent":
            self._lay(masks)
        else:
            self.gone = before
        apply_masks(self.model, masks)

    def _scores(self, one: UnitSet, epoch: int) -> Tensor:
        """(units,): summed over the parameters of a set, each scaled to mean 1 so that none drowns the others."""
        draws = generator(self.seed, "criterion", one.name, epoch)
        scores = [
            self.criterion.score(Evidence(arrange(self.model.get_parameter(name).detach()), draws))
            for name, arrange in one.scored.items()
        ]
        if len(scores) > 1:
            scores = [score / score.mean().clamp_min(torch.finfo(score.dtype).tiny) for score in scores]
        total = torch.stack(scores).sum(0)
        return total.masked_fill(self.gone[one.name], -torch.inf) if one.name in self.gone else total

    def _lay(self, masks: Masks) -> None:
        parameters = {name: self.model.get_parameter(name) for name in masks}
        self._masked = [(parameters[name], mask.to(parameters[name].dtype)) for name, mask in masks.items()]
