"""What prunes a network while it trains: a recipe at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.channels.cost_model import masks_of
from prunus.channels.cost_target import find_counts
from prunus.channels.latency_target import Found, Tell
from prunus.coupling.outputs import Outputs
from prunus.errors import InputError
from prunus.prune import ALLOCATIONS, SCHEDULES, Event, Hold, Masks, PrunableLayer, UnitSet, apply_masks, sparsity
from prunus.prune.criteria import CRITERIA
from prunus.prune.criteria.scoring import gather, gatherings, needed, needs_samples, unit_scores
from prunus.prune.evidence import Gathering, Samples
from prunus.prune.evidence.samples import Loss
from prunus.prune.precision import widened
from prunus.spec import Recipe, make
from prunus.trace.inventory import unwrapped
from prunus.train.quantizing import QuantizationEvents, refuse_wrapped
from prunus.train.recipe_latency import at_rate, find_recipe_rate, latency_wanted
from prunus.train.replicas import agree, decided_by_first
from prunus.train.scope import PruningScope, check_arguments, recipe_of, with_outputs
from prunus.train.seeds import generator


class Pruner:
    """Prunes a network in place by a recipe while it is trained, and keeps zeros zero where masks are permanent.

    Call `step(optimizer)` after every optimiser step, before gradients are cleared. Modules and names stay.

    A recipe that is to come to a latency has its rate found first, which takes some ten measurements: `found` tells
    what was measured, and `recipe` has the rate from then on, so that another pruner of it need not search.

    Args:
        model: the network, or one behind `torch.compile`, `DataParallel` or `DistributedDataParallel`.
        recipe: or the name of a built-in one; None prunes nothing, but still knows the layers.
        example_inputs: as the network takes them (a tensor, a tuple, a dictionary of named arguments), to find the
            order of its layers.
        rate: the share of units to be gone in the end, 0 <= rate < 1.
        epochs: the length of the training in epochs, by which the schedule goes.
        steps_per_epoch: optimiser steps of an epoch; None where whoever trains calls `after_epoch`, from 0 on.
        seed: of every draw.
        samples: batches of (inputs, targets) for criteria that look at data; the first 256 inputs are used.
        loss: of outputs and targets, for criteria that need gradients.
        state: of a pruner whose training goes on, where the network has its weights already: nothing is pruned anew.
        scope: of a network of the same architecture and recipe, to save tracing it again.
        outputs: what the network returns at full width, as in `prune_channels`, where channels go; takes the place of
            what the recipe's pattern says of them.
        tell: is called with a sentence on how the search for a latency gets on.

    Raises:
        InputError: parts are unknown or do not go together. Nothing was pruned then.

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> pruner = Pruner(model, "unstructured", torch.randn(4, 8), rate=0.5, epochs=2, steps_per_epoch=1)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     model(torch.randn(4, 8)).square().mean().backward()
        ...     optimizer.step()
        ...     _ = pruner.step(optimizer)
        >>> int((model[0].weight == 0).sum()), int((model[2].weight == 0).sum())  # the output layer is protected
        (64, 0)
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
        scope: PruningScope | None = None,
        outputs: Outputs = None,
        tell: Tell = lambda _: None,
    ) -> None:
        check_arguments(model, rate, epochs, steps_per_epoch)
        recipe = with_outputs(recipe_of(recipe), outputs)
        self.model, self.recipe, self.rate, self.epochs, self.seed = unwrapped(model), recipe, rate, epochs, seed
        self.example_inputs, self.steps_per_epoch, self.steps = example_inputs, steps_per_epoch, 0
        self.scope = scope or PruningScope.of(self.model, recipe, example_inputs)
        self.epochs_over = -1  # the last epoch after which `after_epoch` was called
        self.gone: dict[str, Tensor] = {}
        self.gathered: dict[str, Gathering] = {}  # kind of evidence -> what gathers it, step by step
        self._grown: dict[str, Tensor] = {}  # weight -> True for what came back in the last event
        self.remembered: dict[str, Tensor] = {}
        self._hold = Hold({})
        self._events: tuple[Event, ...] = ()
        self.found: Found | None = None
        self.quantization: QuantizationEvents | None = None
        if recipe is not None:
            self._take_up(recipe, samples, loss)
            self._settle(recipe, tell, state)
        if recipe is not None and recipe.bits is not None:
            refuse_wrapped(model, recipe.bits)
            self.quantization = QuantizationEvents(self.model, example_inputs, recipe.bits, epochs, self.samples)
        if state is not None:
            self.load_state_dict(state)
        elif steps_per_epoch is not None:
            self.after_epoch(0)
        self.look_at_weights()

    def _take_up(self, recipe: Recipe, samples: Samples | Iterable[tuple[Any, Any]] | None, loss: Loss) -> None:
        """Make the recipe's parts, and see that they go together."""
        self.scope.check(recipe, self.rate, self.epochs)
        if recipe.bits is not None and samples is None:
            raise InputError(
                f"The recipe '{recipe.name}' cannot quantise without data",
                "ranges of activations are found on calibration inputs",
                "give samples=loader, batches of (inputs, targets)",
            )
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
        self.gathered = gatherings(self.criterion, self.model, self.scope.unit_sets)

    def _settle(self, recipe: Recipe, tell: Tell, state: Mapping[str, Tensor] | None) -> None:
        """Where the recipe is to come to a latency, find the rate, and go by that; a state has it already."""
        if self.rate == 0 and recipe.bits is not None:  # it quantises alone
            self._go_to(0.0)
            return
        if latency_wanted(recipe) and state is None:
            found = decided_by_first(
                lambda: find_recipe_rate(self.model, recipe, self.scope, self.example_inputs, tell)
            )
            self.found, self.recipe = found, at_rate(recipe, found.rate)
            self.allocation = make(ALLOCATIONS, self.recipe.allocation)
        self._go_to(self.allocation.settled(self.rate))

    def _go_to(self, rate: float) -> None:
        self.rate, self._events = rate, self.schedule.events(rate, self.epochs)

    @property
    def layers(self) -> tuple[PrunableLayer, ...]:
        """All convolution and linear layers."""
        return self.scope.layers

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer | None = None) -> bool:
        """After an optimiser step: set permanently masked weights back to zero, count, prune at the end of an epoch.

        Args:
            optimizer: forgets what it knew of weights that come back, as in `after_epoch`.

        Returns:
            Whether the weights went back to those of an earlier epoch.
        """
        for gathering in self.gathered.values():
            gathering.after_step()
        self._hold.lay(self.model)
        rewound = False
        if self.steps_per_epoch is not None:
            self.steps += 1
            if self.steps % self.steps_per_epoch == 0:
                rewound = self.after_epoch(self.steps // self.steps_per_epoch, optimizer)
        self.look_at_weights()
        return rewound

    def look_at_weights(self) -> None:
        """See the weights at which the next gradients are taken, where evidence gathers while the network trains."""
        for gathering in self.gathered.values():
            gathering.before_gradients()

    def after_epoch(self, epoch: int, optimizer: torch.optim.Optimizer | None = None) -> bool:
        """Prune if the schedule says so.

        Args:
            epoch: how many epochs are over; 0 is before the training.
            optimizer: forgets what it knew of weights that grow again, which begin anew, and of all where weights go
                back.

        Returns:
            Whether the weights went back to those of an earlier epoch; an optimiser that is not given should then
            forget by itself.

        Raises:
            InputError: pruning was due after an earlier epoch, of which this method was not told.
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
        if optimizer is not None:
            self._have_forgotten(optimizer, everything=rewound)
        if self.quantization is not None:
            self.quantization.after_epoch(epoch)
        if self.rate == 0 or all(event.epoch <= epoch for event in self._events):
            self._gather_no_more()
        self.epochs_over = epoch
        self.look_at_weights()
        return rewound

    def _gather_no_more(self) -> None:
        """No event is left that what gathers could tell anything."""
        for gathering in self.gathered.values():
            gathering.stop()
        self.gathered = {}

    def _have_forgotten(self, optimizer: torch.optim.Optimizer, *, everything: bool) -> None:
        """Set an optimiser's moments of the weights that grew to zero: they are of weights that were there before."""
        if everything:
            optimizer.state.clear()
        for name, grown in self._grown.items():
            weight = self.model.get_parameter(name)
            for value in optimizer.state.get(weight, {}).values():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    value.masked_fill_(grown.to(value.device), 0)
        self._grown = {}

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
        """Whether `after_epoch` does anything.

        Args:
            epoch: how many epochs are over.
        """
        prunes = self.rate > 0 and any(epoch in (event.epoch, event.rewind_to) for event in self._events)
        return prunes or (self.quantization is not None and self.quantization.acts_after(epoch))

    def learning_rate_place(self, epoch: int) -> tuple[int, int]:
        """Where in the training's learning rate schedule an epoch is; schedules that rewind go back in it.

        Args:
            epoch: counted from 1.

        Returns:
            The how-manieth epoch of how many its learning rate is to be of.
        """
        return self.schedule.learning_rate_place(epoch, self.epochs) if self.recipe else (epoch, self.epochs)

    def sparsity(self) -> float:
        """Share of all prunable weights that is zero, protected layers included."""
        return sparsity(self.model.get_parameter(layer.weight) for layer in self.layers if not layer.computed)

    def masks(self) -> Masks:
        """The masks of the units that are gone for good."""
        return masks_of(self.scope.unit_sets, self.gone)

    def state_dict(self) -> dict[str, Tensor]:
        """All that a pruner is between two steps, as tensors; `load_state_dict` of another one takes it."""
        parts = {"gone": self.gone, "remembered": self.remembered, **self._gathered_parts()}
        tensors = {f"{part}/{name}": value for part, named in parts.items() for name, value in named.items()}
        rate = torch.tensor(self.rate, dtype=torch.float64)  # a latency's is measured, and never the same again
        counts = {"steps": torch.tensor(self.steps), "epochs_over": torch.tensor(self.epochs_over)}
        return tensors | counts | {"rate": rate}

    def _gathered_parts(self) -> dict[str, dict[str, Tensor]]:
        """What has gathered while the network trained, by the part of the state where it stands."""
        return {f"gathered/{kind}": gathering.state for kind, gathering in self.gathered.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue where a pruner of the same recipe, on a network of the same architecture, was.

        Args:
            state: what `state_dict` gave. The network is to have its weights of that moment.

        Raises:
            InputError: the state is of another recipe or network.
        """
        gathered = any(key.startswith("gathered/") for key in state)
        if gathered and not self.gathered and self.recipe is not None:
            self.gathered = gatherings(self.criterion, self.model, self.scope.unit_sets)
        elif not gathered:
            self._gather_no_more()
        self._refuse_strange(state)
        device = next(self.model.parameters()).device
        parts: dict[str, dict[str, Tensor]] = {"gone": {}, "remembered": {}}
        for part, named in (*parts.items(), *self._gathered_parts().items()):
            keys = (key for key in state if key.startswith(f"{part}/"))
            named.update({key.removeprefix(f"{part}/"): state[key].to(device) for key in keys})
        self.gone, self.remembered = parts["gone"], parts["remembered"]
        self.steps, self.epochs_over = int(state["steps"]), int(state.get("epochs_over", -1))
        if self.recipe is not None and "rate" in state and self.allocation.latency_ms is not None:
            self.recipe = at_rate(self.recipe, float(state["rate"]))
            self._go_to(float(state["rate"]))
        self._lay(self.masks())
        self.look_at_weights()

    def _refuse_strange(self, state: Mapping[str, Tensor]) -> None:
        """Raises `InputError` for the state of a pruner of another recipe or network."""
        units = {f"gone/{one.name}": (one.units,) for one in self.scope.unit_sets}
        parts = self._gathered_parts().items()
        gathered = {f"{part}/{name}": tuple(value.shape) for part, named in parts for name, value in named.items()}
        before = {f"remembered/{name}": tuple(value.shape) for name, value in self.model.state_dict().items()}
        known = {**units, **gathered, **before, "steps": (), "epochs_over": (), "rate": ()}
        shapes = {key: tuple(value.shape) if isinstance(value, Tensor) else None for key, value in state.items()}
        strange = [key for key, shape in shapes.items() if shape is None or known.get(key) != shape]
        if strange or "steps" not in state:
            raise InputError(
                "The state is not of this pruner",
                f"{strange[0]!r} is of another recipe or network" if strange else "it has no 'steps'",
                "load what state_dict() of a pruner with this recipe, on such a network, gave",
            )

    @torch.no_grad()
    def _prune(self, event: Event, number: int) -> None:
        scores = self._scores(event.epoch, number)
        sets = self.scope.unit_sets
        counts = [one.rounded(count) for one, count in zip(sets, self._counts(scores, event), strict=True)]
        gone = {one.name: one.lowest(score, count) for one, score, count in zip(sets, scores, counts, strict=True)}
        if event.replaced:
            self._refuse_cleared(event)
            gone = {one.name: self._moved_about(one, score, event) for one, score in zip(sets, scores, strict=True)}
        agree(gone)
        back = masks_of(sets, {name: before & ~gone[name] for name, before in self.gone.items()})
        self._grown = {name: ~others for name, others in back.items() if not others.all()}
        apply_masks(self.model, masks_of(sets, gone))
        if self.recipe is not None and self.recipe.permanence == "permanent":
            self.gone = gone
            self._lay(self.masks())

    def _scores(self, epoch: int, number: int) -> list[Tensor]:
        """(units,) for every set; what is gone has the lowest."""
        sets = self.scope.unit_sets
        while_training = {kind: gathering.found() for kind, gathering in self.gathered.items()}
        with torch.enable_grad():
            gathered = gather(self.criterion, self.model, sets, self.samples, while_training)
        found = []
        for one in sets:
            draws = generator(self.seed, "criterion", one.name, epoch, *([number] if number else []))
            score = unit_scores(self.criterion, self.model, one, gathered, draws)
            found.append(score.masked_fill(self.gone[one.name], -torch.inf) if one.name in self.gone else score)
        return found

    def _counts(self, scores: list[Tensor], event: Event) -> list[int]:
        sets, costs = self.scope.unit_sets, self.scope.costs
        if costs is None:
            return self.allocation.counts(sets, scores, event.rate)
        left = 1 - event.rate / self.rate * (1 - self.allocation.left(self.rate))
        return find_counts(costs, self.allocation, sets, scores, left, self.scope.left_of)

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
        gradient = widened(arrange(self.model.get_parameter(name).grad))
        summed: Tensor = gradient.abs().sum(1)
        return summed

    def _refuse_cleared(self, event: Event) -> None:
        """Raises `InputError` where weights are to grow by gradients that are not there."""
        names = [name for one in self.scope.unit_sets for name in one.scored] if event.grown == "gradient" else []
        gradients = {name: self.model.get_parameter(name).grad for name in names}
        missing = [name for name, gradient in gradients.items() if gradient is None]
        if missing or (names and not any(gradient.any() for gradient in gradients.values() if gradient is not None)):
            raise InputError(
                f"Nothing can grow in {(missing or names)[0]!r}",
                f"it has no gradient{'' if missing else ' but zero'}, by which the places are chosen",
                "call pruner.step() before the gradients are cleared, and protect layers that are frozen",
            )

    def _lay(self, masks: Masks) -> None:
        self._hold = Hold(masks)
        self._hold.lay(self.model)
