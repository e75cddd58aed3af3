"""The search: cut, train on, judge; further if it holds, back if not, until the time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from torch import nn

from prunus.channels import save
from prunus.compress.candidates import MOST_TRIED, Candidate
from prunus.compress.cutting import CutNetwork, best_of, cut_in_all_ways
from prunus.compress.finetuning import Finetuning
from prunus.compress.goals import Goal
from prunus.compress.judging import Judged, difference, in_words
from prunus.compress.state import Attempt, SearchFolder, SearchState
from prunus.compress.timing import Tell
from prunus.compress.widths import Widths
from prunus.errors import NotFiniteError
from prunus.prune.evidence import Samples
from prunus.report.words import duration
from prunus.spec import Metric
from prunus.train import TrainingState

FIRST_SHARE = 0.5
"""The share of the unpruned network's cost that is tried first, so that there soon is something to have."""
MOST_SEARCHED, FEW_TRIED = 5, 3
"""Networks that are trained before the last one; and cuts that are measured for each, where a margin decides."""
SEARCHING = 0.6
"""The share of the time in which a margin is searched for; the rest trains what the search came to."""
NARROW = 1.12
"""Where what holds costs less than so many times of what does not, nothing between is tried."""
HOPEFUL = 1.5
"""A network that lost less than so many margins is trained on in the end, in the hope that it holds then."""
STEPS_BELOW, STEP_EPOCHS = (0.7, 0.4), 2
"""A target below these shares of the cost is come to in two steps, or in three, if each has time for some epochs."""
COMPARING = 0.1
"""The share of an attempt's time in which different widths and learning rates are trained a little, to choose one."""
CUTTING = 0.05
"""The share of the whole time in which widths are looked for, for each cut; one network is found whatever it takes."""
FEWEST_EPOCHS = 0.1
TOLD_SECONDS = 10.0
EACH_STEP, IMPORTANCE, CONCLUDING = 0.15, 0.03, 0.1
"""Shares of the time for a step on the way to a target, for what channels are worth, and for the end."""


@dataclass
class Search:
    """One search for the cheapest network within a margin, or for the best one at a cost.

    unpruned: the network as it was. candidate: one that was cut to some widths, as it may be cut further.
    target: the cost that is asked for; None where the margin decides. seconds: that it may take.
    rates: learning rates to choose among for the first cut network; later ones are trained with the same.
    judge: tells how good a network is on the validation inputs; `judged` is the unpruned one.
    read: brings a network back that was saved.
    """

    unpruned: Candidate
    candidate: Callable[[nn.Module, Widths], Candidate]
    goal: Goal
    least: float
    finetuning: Finetuning
    rates: tuple[float, ...]
    samples: Samples
    judge: Callable[[nn.Module], Judged]
    judged: Judged
    metric: Metric
    margin: float
    target: float | None
    seconds: float
    folder: SearchFolder
    state: SearchState
    clock: Clock
    tell: Tell
    read: Callable[[Path], nn.Module]
    _candidates: dict[int, Candidate] = field(default_factory=dict, repr=False)

    def run(self) -> SearchState:
        """Go on until nothing is left to try; returns the state, as it is kept."""
        try:
            if self.state.running is not None:
                self._train(self.state.running)
            while (step := self._next_step()) is not None:
                self._attempt(*step)
        finally:
            self._keep()
        return self.state

    @property
    def _left(self) -> float:
        """Seconds for searching; what is written and measured in the end takes some of the budget."""
        return self.seconds * (1 - CONCLUDING) - self.clock.seconds

    def _next_step(self) -> tuple[str, float, int, float] | None:
        """Kind, the cost to aim at, the attempt to cut further, and the seconds for it; None at the end."""
        tried, best = self.state.attempts, self.state.best
        if tried and tried[-1].kind == "final" and self.seconds <= self.state.ended_at:
            return None  # with a larger budget it goes on
        start = best.number if best else 0
        if self.target is not None:
            costs, each = path_to(self.goal.whole, self.target), self.seconds * EACH_STEP
            last = (
                len(tried) >= len(costs) - 1
                or any(one.kind == "final" for one in tried)
                or self._left < 2 * each
                or self._is_short
            )
            return ("final", costs[-1], start, self._left) if last else ("search", costs[len(tried)], start, each)
        each = self.seconds * SEARCHING / MOST_SEARCHED
        share = next_share(tried, self.goal.whole, self.least)
        searched = len(tried) % (MOST_SEARCHED + 1)
        room = self.seconds * SEARCHING - self.clock.seconds
        if share is not None and searched < MOST_SEARCHED and (room > each or not tried):
            return "search", share * self.goal.whole, start, each
        if self._left <= 0:
            return None
        if (final := self._worth_training_on()) is not None:
            return "final", final.cost, final.number, self._left
        return ("search", share * self.goal.whole, start, self._left) if share is not None else None

    @cached_property
    def _is_short(self) -> bool:
        """Whether a step on the way to a target would end before the network has got over it."""
        return self.seconds * EACH_STEP < STEP_EPOCHS * self.finetuning.seconds_per_epoch(self.unpruned.model)

    def _worth_training_on(self) -> Attempt | None:
        """What is trained with all the time that is left: the least that may come to hold, else the best that does."""
        best = self.state.best
        hopeful = [
            one
            for one in self.state.attempts
            if not one.accepted and one.difference is not None and one.difference.mean >= -HOPEFUL * self.margin
            if best is None or one.cost < best.cost
        ]
        return min(hopeful, key=lambda one: one.cost, default=best)

    def _attempt(self, kind: str, cost: float, start: int, seconds: float) -> None:
        """Cut the network of an attempt to a cost, and train it on; of the last attempt only the latter."""
        number = len(self.state.attempts) + 1
        if kind == "final" and self.target is None:
            before = self._numbered(start)
            network, rate = self.read(self.folder.network(start)), before.learning_rate
            cut = CutNetwork(network, before.widths, before.cost, before.chosen)
        else:
            cut, rate = self._cut(start, cost, seconds)
        attempt = Attempt.model_validate(
            {
                "number": number,
                "kind": kind,
                "began_from": start,
                "asked": cost,
                "cost": cut.cost,
                "predicted": self.goal.costs.total(cut.widths),
                "widths": dict(cut.widths),
                "chosen": cut.chosen,
                "learning_rate": rate,
                "compared": cut.compared,
                "epochs": self._epochs(cut.network, seconds),
            }
        )
        save(cut.network, self.folder.untrained(number))
        self._keep(running=attempt)
        self._train(attempt)

    def _cut(self, start: int, cost: float, seconds: float) -> tuple[CutNetwork, float]:
        """The network of an attempt, cut to a cost in the way that proves best, and the rate to train it with."""
        at = self._candidate_of(start)
        self.tell("finding out what channels are worth")
        worth = at.worth(self.samples, self.seconds * IMPORTANCE)
        tries = MOST_TRIED if self.target is not None else FEW_TRIED
        room = self.seconds * CUTTING
        cuts = cut_in_all_ways(at, self.goal, cost, worth, self.samples, tries, room, self.tell)
        rates = tuple(one.learning_rate for one in self.state.attempts[:1]) or self.rates
        return best_of(cuts, rates, self.finetuning, min(seconds, self._left) * COMPARING, self.tell)

    def _numbered(self, number: int) -> Attempt:
        return next(one for one in self.state.attempts if one.number == number)

    def _candidate_of(self, start: int) -> Candidate:
        """The network of an attempt, as it may be cut; kept, since others begin there until one of them holds."""
        if start == 0:
            return self.unpruned
        if start not in self._candidates:
            network = self.read(self.folder.network(start))
            self._candidates = {start: self.candidate(network, self._numbered(start).widths)}
        return self._candidates[start]

    def _epochs(self, network: nn.Module, seconds: float) -> float:
        each = self.finetuning.seconds_per_epoch(network)
        return min(max(min(seconds, self._left) / each, FEWEST_EPOCHS), float(self.finetuning.training.epochs))

    def _train(self, attempt: Attempt) -> None:
        """Train the network of an attempt, from its beginning or from where it was interrupted, and judge it."""
        network = self.read(self.folder.untrained(attempt.number))
        began = time.monotonic()
        what = f"attempt {attempt.number}, {self.goal.text(attempt.cost)} of {self.goal.text(self.goal.whole)}"
        self.tell(f"{what}: training for {attempt.epochs:.3g} epochs")

        told = time.monotonic()

        def after(state: TrainingState) -> bool:
            nonlocal told
            last = state.epochs[-1]
            if time.monotonic() - told >= TOLD_SECONDS or last.epoch >= attempt.epochs:
                told = time.monotonic()
                shown = f"{self.metric.name} {self.metric.text(last.metric)}"
                self.tell(f"{what}: epoch {last.epoch} of {attempt.epochs:.3g}, {shown}, {duration(self._left)} left")
            return self._left > 0  # where the machine became slower, the epochs take longer than was foreseen

        try:
            key = f"{self.state.settings}-{attempt.number}"
            finetuning = self.finetuning.at(attempt.learning_rate)
            trained = finetuning.run(network, attempt.epochs, self.folder.checkpoint, key, after)
        except NotFiniteError:
            self._conclude(attempt.model_copy(update={"seconds": time.monotonic() - began}), None)
            return
        judged = self.judge(trained)
        lost = difference(judged, self.judged, self.metric)
        update = {
            "seconds": time.monotonic() - began,
            "metric": judged.value,
            "difference": lost,
            "accepted": self.target is not None or lost.is_within(self.margin),
        }
        self._conclude(attempt.model_copy(update=update), trained)

    def _conclude(self, attempt: Attempt, trained: nn.Module | None) -> None:
        if trained is not None:
            save(trained, self.folder.network(attempt.number))
        ended = self.seconds if attempt.kind == "final" else self.state.ended_at
        self._keep(attempts=(*self.state.attempts, attempt), running=None, ended_at=ended)
        self.folder.checkpoint.unlink(missing_ok=True)
        self.folder.untrained(attempt.number).unlink(missing_ok=True)
        what = in_words(attempt.difference, self.metric) if attempt.difference else "its training diverged"
        verdict = "" if self.target is not None else ", which holds" if attempt.accepted else ", which does not hold"
        self.tell(f"attempt {attempt.number}: {self.goal.text(attempt.cost)}, {what}{verdict}")

    def _keep(self, **changes: object) -> None:
        self.state = self.folder.write(self.state.model_copy(update={**changes, "seconds": self.clock.seconds}))


@dataclass
class Clock:
    """Seconds spent on a search, in this run and in earlier ones."""

    before: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """By now."""
        return self.before + time.monotonic() - self.began


def path_to(whole: float, target: float) -> list[float]:
    """The costs to come to one after the other, in equal proportions; the last one is the target.

    >>> path_to(10, 8), [round(cost, 1) for cost in path_to(10, 1)]
    ([8], [4.6, 2.2, 1])
    """
    steps = 1 + sum(target < below * whole for below in STEPS_BELOW)
    return [whole * (target / whole) ** (step / steps) for step in range(1, steps)] + [target]


def next_share(tried: Sequence[Attempt], whole: float, least: float) -> float | None:
    """The share of the unpruned network's cost to try next, in the middle of what holds and what does not.

    In the middle of their logarithms, since it is ratios of costs that matter. least: the cost of the narrowest
    network. None where nothing lies between.

    >>> next_share([], whole=10, least=1)
    0.5
    """
    holds = min((one.cost for one in tried if one.accepted), default=whole)
    fails = max((one.cost for one in tried if not one.accepted and one.cost < holds), default=least)
    if holds < NARROW * fails:
        return None
    if not tried and least < FIRST_SHARE * whole:
        return FIRST_SHARE
    return math.sqrt(holds * fails) / whole
