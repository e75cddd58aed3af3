"""One compression, from its checks to its files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from prunus.channels import load
from prunus.channels.latency_target import LATE
from prunus.channels.network import GraphNetwork
from prunus.compress.candidates import Candidate, least_widths
from prunus.compress.checks import check_runs, check_time, check_trainable
from prunus.compress.choosing import group_costs
from prunus.compress.delivering import deliver
from prunus.compress.finetuning import Finetuning
from prunus.compress.goals import Goal, Latency, Macs, Size
from prunus.compress.judging import GROUPS, Judged, difference, judge, of_halves
from prunus.compress.page import write_page
from prunus.compress.result import Compressed, GroupRow
from prunus.compress.search import IMPORTANCE, Clock, Search
from prunus.compress.settings import Settings
from prunus.compress.splits import Splits, split
from prunus.compress.state import SearchFolder, SearchState
from prunus.compress.timing import Tell
from prunus.compress.widths import LEVELS, Widths, whole
from prunus.data import Dataset
from prunus.data.dataset import AnySplit
from prunus.errors import InputError, PrunusError
from prunus.measure import ModelBuilder
from prunus.measure.stopwatch import Place, Stopwatch
from prunus.measure.variant import InputKind, input_kinds
from prunus.prune.evidence import Samples
from prunus.spec.part import digest
from prunus.store import write_atomically
from prunus.tasks import Task, task_of
from prunus.tasks.batch import example_inputs
from prunus.trace.copying import fresh_copy
from prunus.trace.inventory import held_tensors
from prunus.train import batches, calibration_samples, pick_device

MEASURING = 0.1
"""The share of the budget in which layers are timed."""
LARGEST_BATCH = 200
"""Inputs are judged in as many batches as there are groups of them, none larger than this."""
COUNTED_LEVELS = 4 * LEVELS
SETTINGS = "compress.toml"


@dataclass
class Compression:
    """What is asked, of which network and which data, and all that follows from it, each found when it is needed.

    out: the folder for files, report and search. tell: is told how it gets on. builder: makes the unpruned network in
    another process, where one can.
    """

    given: nn.Module
    dataset: Dataset
    settings: Settings
    out: Path
    tell: Tell
    builder: ModelBuilder | None
    clock: Clock = field(default_factory=lambda: Clock(0.0))
    notes: list[str] = field(default_factory=list)

    def run(self) -> Compressed:
        """Check, search, write and measure; what was interrupted is written as far as it is."""
        check_runs(self.model, self.dataset, self.task)
        check_trainable(self.model)
        epoch = self._finetuning(self.dataset).seconds_per_epoch(self.model)
        check_time(epoch, self.settings.budget_seconds)
        folder = SearchFolder(self.out)
        state = folder.read(self._identity)
        self.clock = Clock(state.seconds)
        splits = self.splits
        write_atomically(self.out / SETTINGS, self.settings.to_toml().encode())
        with ExitStack() as open_files:
            goal, stopped = self._goal(open_files), False
            least = self._check_target(goal)
            search = self._search(goal, least, splits, folder, state)
            try:
                state = search.run()
            except KeyboardInterrupt:
                self.tell("stopping: writing the best so far; a second Ctrl-C leaves it out")
                state, stopped = search.state, True
            found = self._delivered(goal, least, splits, folder, state, stopped)
        write_page(found, self.settings)
        return found

    @cached_property
    def model(self) -> nn.Module:
        """The unpruned network, on the CPU and in evaluation mode."""
        return fresh_copy(self.given).cpu().eval()

    @cached_property
    def task(self) -> Task:
        """What the network is for."""
        return task_of(self.settings.task)

    @cached_property
    def example(self) -> Any:
        """The first two training inputs, as the network takes them."""
        return example_inputs(self.dataset, self.task, self.dataset.train)

    @property
    def margin(self) -> float:
        """How much worse the metric may be: as asked, or the task's own."""
        return self.settings.keep or self.task.metric.margin

    @cached_property
    def splits(self) -> Splits:
        """The data as they are used."""
        return split(self.dataset, self.settings.seed, self.task.metric, self.margin, self._judged_on(self.model))

    def _judged_on(self, network: nn.Module) -> Callable[[AnySplit], Judged]:
        device = pick_device(self.settings.training.device)

        def judged(one: AnySplit) -> Judged:
            size = min(LARGEST_BATCH, max(1, -(-len(one) // GROUPS)))
            try:
                return judge(
                    network.to(device), batches(self.dataset, one, device, size, self.task), self.task, self.dataset
                )
            finally:
                network.cpu()

        return judged

    @cached_property
    def candidate(self) -> Candidate:
        """The unpruned network."""
        return self._candidate(self.model, {})

    def _candidate(self, network: nn.Module, widths: Widths) -> Candidate:
        choices = {one.name: one.choices for one in self.candidate.groups} if widths else None
        wanted = self.settings
        counted = wanted.target is not None and wanted.target.kind != "latency_ms"  # finer widths cost no time then
        levels = COUNTED_LEVELS if counted else LEVELS
        return Candidate(network, self.example, wanted.protect, wanted.round_to, levels, choices, widths)

    @property
    def place(self) -> Place:
        """Where a latency is measured."""
        wanted = self.settings
        return Place(runtime=wanted.runtime, batch_size=wanted.batch_sizes[0], threads=wanted.threads)

    def _goal(self, open_files: ExitStack) -> Goal:
        kind = self.settings.target.kind if self.settings.target else "latency_ms"
        groups = self.candidate.groups
        if kind == "bytes":
            return Size(self.model, self.example, groups, self.place)
        if kind == "macs":
            return Macs(self.model, self.example, groups)
        try:
            watch = open_files.enter_context(Stopwatch(self.model, self.example, self.place))
            seconds = self.settings.budget_seconds * MEASURING
            return Latency(self.model, self.example, groups, self.candidate.cut, watch, self.tell, seconds)
        except PrunusError as error:
            if self.settings.target is not None:
                raise
            self.notes.append(f"No latency can be had on {self.place}, so that MACs became less instead. {error}")
            return Macs(self.model, self.example, groups)

    def _check_target(self, goal: Goal) -> float:
        """The least that the network can cost. Raises `InputError` for a target that it has, or cannot reach."""
        least = goal.of(self.candidate.cut(least_widths(self.candidate.groups, goal.costs)))
        if (target := self._amount(goal)) is None:
            return least
        if goal.whole <= target:
            raise InputError(
                f"The target {goal.name} = {target:g} needs no pruning",
                f"the unpruned network has {goal.text(goal.whole)}",
                "ask for less",
            )
        if least > target * (1 + LATE):
            raise InputError(
                f"The target {goal.name} = {target:g} cannot be reached by removing channels",
                f"the least is {goal.text(least)}, and the unpruned network has {goal.text(goal.whole)}",
                "ask for more, protect less, or choose another runtime",
            )
        return least

    def _amount(self, goal: Goal) -> float | None:
        """What is asked for; of bytes and MACs a number below 1 is a share of the unpruned network's."""
        target = self.settings.target
        if target is None:
            return None
        return target.amount * goal.whole if target.amount < 1 and target.kind != "latency_ms" else target.amount

    def _finetuning(self, data: Dataset) -> Finetuning:
        device = pick_device(self.settings.training.device)
        teacher = fresh_copy(self.model).to(device).eval().requires_grad_(requires_grad=False)
        return Finetuning(teacher, data, self.task, self.settings.training, self.settings.seed)

    @cached_property
    def samples(self) -> Samples:
        """Training inputs, for what channels are worth."""
        return calibration_samples(self.splits.data, self.settings.seed, task=self.task)

    def _search(self, goal: Goal, least: float, splits: Splits, folder: SearchFolder, state: SearchState) -> Search:
        return Search(
            unpruned=self.candidate,
            candidate=self._candidate,
            goal=goal,
            least=least,
            finetuning=self._finetuning(splits.data),
            rates=self.settings.learning_rates or (self.settings.training.learning_rate,),
            samples=self.samples,
            judge=lambda network: self._judged_on(network)(splits.data.test),
            judged=splits.unpruned,
            metric=self.task.metric,
            margin=self.margin,
            target=self._amount(goal),
            seconds=self.settings.budget_seconds,
            folder=folder,
            state=state,
            clock=self.clock,
            tell=self.tell,
            read=self._read,
        )

    def _read(self, path: Path) -> nn.Module:
        return load(path, None if isinstance(self.given, GraphNetwork) else lambda: fresh_copy(self.given).cpu())

    @property
    def _identity(self) -> str:
        """A digest of the settings, the network with its weights, and the data."""
        state = {name: float(tensor.detach().double().sum()) for name, tensor in held_tensors(self.model).items()}
        parts = {name: str(value) for name, value in state.items()}
        return digest([self.settings.digest, parts, self.dataset.fingerprint()])

    def _delivered(
        self, goal: Goal, least: float, splits: Splits, folder: SearchFolder, state: SearchState, stopped: bool
    ) -> Compressed:
        best = state.best
        network = self._read(folder.network(best.number)).cpu().eval() if best else self.model
        tested = written = None
        if best is not None:
            self.tell("looking at the test inputs, this once")
            before, after = (self._judged_on(one)(splits.test) for one in (self.model, network))
            tested = before.value, after.value, difference(after, before, self.task.metric)
            written = deliver(
                self.model,
                network,
                self.example,
                self.out,
                runtime=self.settings.runtime,
                formats=self.settings.formats,
                batch_sizes=self.settings.batch_sizes,
                threads=self.settings.threads,
                builder=self.builder,
                tell=self.tell,
            )
        return Compressed(
            model=network,
            best=best,
            attempts=state.attempts,
            table=self._table(goal),
            metric=self.task.metric,
            margin=self.margin,
            unpruned=splits.unpruned.value,
            chosen_by=splits.how,
            tested=tested,
            delivered=written,
            notes=(*self.notes, *self._notes()),
            goal=goal.name,
            whole=goal.whole,
            least=least,
            stopped=stopped,
            inputs=self._kinds,
            out=self.out,
        )

    @property
    def _kinds(self) -> tuple[InputKind, ...]:
        """What the network takes; nothing where that is no tensors."""
        try:
            return input_kinds(self.example)
        except InputError:
            return ()

    def _notes(self) -> list[str]:
        halves = of_halves(self.splits.unpruned, self.task.metric)
        if self.settings.target is not None or halves <= self.margin:
            return []
        return [
            f"Between halves of the inputs by which was chosen the unpruned network itself differs by {halves:.2g}, "
            f"and the margin is {self.margin:g}: another seed of its training might not have met it."
        ]

    def _table(self, goal: Goal) -> tuple[GroupRow, ...]:
        groups = self.candidate.groups
        _, losses = self.candidate.worth(self.samples, self.settings.budget_seconds * IMPORTANCE)
        rows = zip(groups, group_costs(groups, goal.costs, whole(groups)), losses, strict=True)
        return tuple(GroupRow(one.name, one.choices, tuple(costs), tuple(lost)) for one, costs, lost in rows)
