"""What prunes a network while it trains: a recipe at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.errors import InputError, NotFiniteError
from prunus.prune import ALLOCATIONS, SCHEDULES, Event, Hold, Masks, PrunableLayer, UnitSet, apply_masks, sparsity
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gather, needed, needs_samples, scored_names, unit_scores
from prunus.prune.evidence import Samples
from prunus.prune.evidence.samples import Loss
from prunus.spec import Recipe, make
from prunus.train.anatomy import Anatomy
from prunus.train.asked import check_asked, recipe_of
from prunus.train.latency_target import Found, Tell, at_rate, find_recipe_rate, latency_wanted
from prunus.train.prices import masks_of
from prunus.train.replicas import agree, decided_by_first, unwrapped
from prunus.train.seeds import generator
from prunus.train.target import find_counts


class Pruner:
    """Prunes a network in place by a recipe, and keeps zeros zero where its masks are permanent.

    Call `step` after every optimiser step, before gradients are cleared. No module is wrapped and no name changes.

    recipe: or the name of a built-in one; None prunes nothing, but still knows the layers. example_inputs: as the
    network takes them (a tensor, a tuple, a dictionary of named arguments), to find the order of its layers. rate: the
    share of units to be gone in the end. epochs, steps_per_epoch: the length of the training in optimiser steps; with
    steps_per_epoch=None whoever trains calls `after_epoch`, from 0 on. seed: of every draw. samples: batches of
    (inputs, targets) for criteria that look at data; the first 256 inputs are used. loss: of outputs and targets.
    state: of a pruner whose training goes on, where the network has its weights already: nothing is pruned anew.
    anatomy: of a network of the same architecture and recipe, to save tracing it again. tell: is told how the search
    for a latency gets on.

    A recipe that is to come to a latency has its rate found first, which takes some ten measurements: `found` tells
    what was measured, and `recipe` has the rate from then on, so that another pruner of it need not search.

    Raises `InputError` for parts that are unknown or do not go together, before anything is pruned.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe | str | None,
        example_inputs: Any,
        *,
        rate: float = 0.5,
        epochs: int = 10,
        steps_per_epoch: int | None = 100,
        seed: int = 0,
        samples: Samples | Iterable[tuple[Any, Any]] | None = None,
        loss: Loss = F.cross_entropy,
        state: Mapping[str, Tensor] | None = None,
        anatomy: Anatomy | None = None,
        tell: Tell = lambda _: None,
    ) -> None:
        check_asked(model, rate, epochs, steps_per_epoch)
        recipe = recipe_of(recipe)
        self.model, self.recipe, self.rate, self.epochs, self.seed = unwrapped(model), recipe, rate, epochs, seed
        self.example_inputs, self.steps_per_epoch, self.steps = example_inputs, steps_per_epoch, 0
        self.anatomy = anatomy or Anatomy.of(self.model, recipe, example_inputs)
        self.gone: dict[str, Tensor] = {}
        self.moved: dict[str, Tensor] = {}
        self.remembered: dict[str, Tensor] = {}
        self._hold = Hold({})
        self._events: tuple[Event, ...] = ()
        self.found: Found | None = None
        if recipe is not None:
            self._take_up(recipe, samples, loss)
            self._settle(recipe, tell, state)
        if state is not None:
            self.load_state_dict(state)
        elif steps_per_epoch is not None:
            self.after_epoch(0)

    def _take_up(self, recipe: Recipe, samples: Samples | Iterable[tuple[Any, Any]] | None, loss: Loss) -> None:
        """Make the recipe's parts, and see that they go together."""
        self.anatomy.check(recipe, self.rate, self.epochs)
        self.criterion = make(CRITERIA, recipe.criterion)
        self.allocation = make(ALLOCATIONS, recipe.allocation)
        self.schedule = make(SCHEDULES, recipe.schedule)
        if needs_samples(self.criterion) and samples is None:
            raise InputError(
                f"The criterion '{recipe.criterion.name}' cannot score without data",
                f"it needs {needed(self.criterion)}",
                "give samples=loader, batches of (inputs, targets)",
            )
        if samples is None:
            samples = [(self.example_inputs, None)]
        self.samples = samples if isinstance(samples, Samples) else Samples.of(samples, loss)
        if "movement" in self.criterion.needs:
            names = scored_names(self.criterion, self.anatomy.unit_sets)
            self.moved = {name: torch.zeros_like(self.model.get_parameter(name)) for name in names}

    def _settle(self, recipe: Recipe, tell: Tell, state: Mapping[str, Tensor] | None) -> None:
        """Where the recipe is to come to a latency, find the rate, and go by that; a state has it already."""
        if latency_wanted(recipe) and state is None:
            found = decided_by_first(
                lambda: find_recipe_rate(self.model, recipe, self.anatomy, self.example_inputs, tell)
            )
            self.found, self.recipe = found, at_rate(recipe, found.rate)
            self.allocation = make(ALLOCATIONS, self.recipe.allocation)
        self._go_to(self.allocation.settled(self.rate))

    def _go_to(self, rate: float) -> None:
        self.rate, self._events = rate, self.schedule.events(rate, self.epochs)

    @property
    def layers(self) -> tuple[PrunableLayer, ...]:
        """All convolution and linear layers."""
        return self.anatomy.layers

    @torch.no_grad()
    def step(self) -> bool:
        """After an optimiser step: set permanently masked weights back to zero, count, prune at the end of an epoch.

        Returns what `after_epoch` does: whether the weights went back, so that the optimiser should forget, too.
        """
        for name, moved in self.moved.items():
            weight = self.model.get_parameter(name)
            if weight.grad is not None:
                moved.addcmul_(weight, weight.grad.nan_to_num(0, 0, 0), value=-1)  # a scaler skips such a step
        self._hold.lay(self.model)
        if self.steps_per_epoch is not None:
            self.steps += 1
            if self.steps % self.steps_per_epoch == 0:
                return self.after_epoch(self.steps // self.steps_per_epoch)
        return False

    def after_epoch(self, epoch: int) -> bool:
        """Prune if the schedule says so. Epochs count from 1; 0 is before the training.

        Returns whether the weights went back to those of an earlier epoch, so that the optimiser should forget, too.
        """
        if any(event.rewind_to == epoch for event in self._events):
            self.remembered = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._refuse_missed(epoch)
        now = [event for event in self._events if event.epoch == epoch and self.rate > 0]
        for number, event in enumerate(now):
            self._prune(event, number)
        rewound = bool(now) and now[-1].rewind_to is not None
        if rewound:
            self.model.load_state_dict(self.remembered)
            apply_masks(self.model, self.masks())
        return rewound

    def _refuse_missed(self, epoch: int) -> None:
        """Raises `InputError` where pruning was due at an earlier epoch, and nothing is gone yet."""
        missed = [event.epoch for event in self._events if event.epoch < epoch]
        if missed and self.rate > 0 and not self.gone and self.recipe and self.recipe.permanence == "permanent":
            raise InputError(
                f"Pruning was due after epoch {missed[0]}, and epoch {epoch} is over",
                f"after_epoch({missed[0]}) was never called",
                "call it after every epoch, from 0 on; to continue a training, load the pruner's state",
            )

    def acts_after(self, epoch: int) -> bool:
        """Whether `after_epoch` does anything."""
        return self.rate > 0 and any(epoch in (event.epoch, event.rewind_to) for event in self._events)

    def learning_rate_place(self, epoch: int) -> tuple[int, int]:
        """Where in the training's learning rate schedule an epoch is: the how-manieth of how many."""
        return self.schedule.learning_rate_place(epoch, self.epochs) if self.recipe else (epoch, self.epochs)

    def sparsity(self) -> float:
        """Share of all prunable weights that is zero, protected layers included."""
        return sparsity(self.model.get_parameter(layer.weight) for layer in self.layers if not layer.computed)

    def masks(self) -> Masks:
        """The masks of the units that are gone for good."""
        return masks_of(self.anatomy.unit_sets, self.gone)

    def state_dict(self) -> dict[str, Tensor]:
        """All that a pruner is between two steps, as tensors; `load_state_dict` of another one takes it."""
        parts = {"gone": self.gone, "moved": self.moved, "remembered": self.remembered}
        tensors = {f"{part}/{name}": value for part, named in parts.items() for name, value in named.items()}
        rate = torch.tensor(self.rate, dtype=torch.float64)  # a latency's is measured, and never the same again
        return tensors | {"steps": torch.tensor(self.steps), "rate": rate}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue where a pruner of the same recipe, on a network of the same architecture, was."""
        self._refuse_strange(state)
        device = next(self.model.parameters()).device
        parts: dict[str, dict[str, Tensor]] = {"gone": {}, "moved": {}, "remembered": {}}
        for key, value in state.items():
            part, _, name = key.partition("/")
            if part in parts:
                parts[part][name] = value.to(device)
        self.gone, self.moved, self.remembered = parts["gone"], parts["moved"], parts["remembered"]
        self.steps = int(state["steps"])
        if self.recipe is not None and "rate" in state and self.allocation.latency_ms is not None:
            self.recipe = at_rate(self.recipe, float(state["rate"]))
            self._go_to(float(state["rate"]))
        self._lay(self.masks())

    def _refuse_strange(self, state: Mapping[str, Tensor]) -> None:
        """Raises `InputError` for the state of a pruner of another recipe or network."""
        units = {f"gone/{one.name}": (one.units,) for one in self.anatomy.unit_sets}
        weights = {f"moved/{name}": tuple(value.shape) for name, value in self.moved.items()}
        before = {f"remembered/{name}": tuple(value.shape) for name, value in self.model.state_dict().items()}
        known = {**units, **weights, **before, "steps": (), "rate": ()}
        strange = [key for key, value in state.items() if known.get(key) != tuple(value.shape)]
        if strange or "steps" not in state:
            raise InputError(
                "The state is not of this pruner",
                f"{strange[0]!r} is of another recipe or network" if strange else "it has no 'steps'",
                "load what state_dict() of a pruner with this recipe, on such a network, gave",
            )

    @torch.no_grad()
    def _prune(self, event: Event, number: int) -> None:
        scores = self._scores(event.epoch, number)
        sets = self.anatomy.unit_sets
        counts = [one.rounded(count) for one, count in zip(sets, self._counts(scores, event), strict=True)]
        gone = {one.name: one.lowest(score, count) for one, score, count in zip(sets, scores, counts, strict=True)}
        if event.replaced:
            self._refuse_cleared(event)
            gone = {one.name: self._moved_about(one, score, event) for one, score in zip(sets, scores, strict=True)}
        agree(gone)
        apply_masks(self.model, masks_of(sets, gone))
        if self.recipe is not None and self.recipe.permanence == "permanent":
            self.gone = gone
            self._lay(self.masks())

    def _scores(self, epoch: int, number: int) -> list[Tensor]:
        """(units,) for every set; what is gone has the lowest."""
        sets = self.anatomy.unit_sets
        self._refuse_unmoved()
        with torch.enable_grad():
            gathered = gather(self.criterion, self.model, sets, self.samples, {"movement": self.moved})
        found = []
        for one in sets:
            draws = generator(self.seed, "criterion", one.name, epoch, *([number] if number else []))
            score = unit_scores(self.criterion, self.model, one, gathered, draws)
            if score.isnan().any():
                raise NotFiniteError(
                    f"The scores of {one.name!r} after epoch {epoch} are not numbers",
                    "its weights, or what its criterion computes of the samples, are NaN or infinite",
                    "lower the learning rate, or look for values that are not finite in the data",
                )
            found.append(score.masked_fill(self.gone[one.name], -torch.inf) if one.name in self.gone else score)
        return found

    def _counts(self, scores: list[Tensor], event: Event) -> list[int]:
        sets, prices = self.anatomy.unit_sets, self.anatomy.prices
        if prices is None:
            return self.allocation.counts(sets, scores, event.rate)
        left = 1 - event.rate / self.rate * (1 - self.allocation.left(self.rate))
        return find_counts(prices, self.allocation, sets, scores, left, self.anatomy.left_of)

    def _moved_about(self, one: UnitSet, scores: Tensor, event: Event) -> Tensor:
        """What is gone after the lowest of those left went too, and as many came back where they grow best.

        For each that goes, one of as many weights comes back: blocks at an edge are smaller.
        """
        before = self.gone[one.name]
        count = int(before.sum())
        moving = min(round(event.replaced * (one.units - count)), one.units - count - 1, count)
        gone = one.lowest(scores, count + moving)
        draws = generator(self.seed, "grown", one.name, event.epoch)
        growth = torch.rand(one.units, generator=draws).to(scores.device)
        if event.grown == "gradient":
            growth = torch.stack([self._gradients(name, arrange) for name, arrange in one.scored.items()]).sum(0)
        grown, sizes = torch.zeros_like(gone), self._sizes(one)
        for size in sizes[gone & ~before].unique():  # type: ignore[no-untyped-call]
            alike = gone & (sizes == size)
            grown |= one.lowest((-growth).masked_fill(~alike, torch.inf), int((alike & ~before).sum()))
        return gone & ~grown

    def _sizes(self, one: UnitSet) -> Tensor:
        """(units,): of how many weights each is."""
        parts = [
            arrange(torch.ones_like(self.model.get_parameter(name))).sum(1) for name, arrange in one.scored.items()
        ]
        return torch.stack(parts).sum(0)

    def _gradients(self, name: str, arrange: Any) -> Tensor:
        summed: Tensor = arrange(self.model.get_parameter(name).grad).abs().sum(1)
        return summed

    def _refuse_cleared(self, event: Event) -> None:
        """Raises `InputError` where weights are to grow by gradients that are not there."""
        names = [name for one in self.anatomy.unit_sets for name in one.scored] if event.grown == "gradient" else []
        gradients = {name: self.model.get_parameter(name).grad for name in names}
        missing = [name for name, gradient in gradients.items() if gradient is None]
        if missing or (names and not any(gradient.any() for gradient in gradients.values() if gradient is not None)):
            raise InputError(
                f"Nothing can grow in {(missing or names)[0]!r}",
                f"it has no gradient{'' if missing else ' but zero'}, by which the places are chosen",
                "call pruner.step() before the gradients are cleared, and protect layers that are frozen",
            )

    def _refuse_unmoved(self) -> None:
        """Raises `InputError` where a criterion goes by movement, and a weight was never seen to move."""
        still = [name for name, moved in self.moved.items() if not moved.any()]
        if still:
            raise InputError(
                f"The movement of {still[0]!r} is not known",
                "no step has shown a gradient of it",
                "call pruner.step() before the gradients are cleared, and protect layers that are frozen",
            )

    def _lay(self, masks: Masks) -> None:
        self._hold = Hold(masks)
        self._hold.lay(self.model)
