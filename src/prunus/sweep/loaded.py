"""What all trials of a study share, loaded once: the resolved study, its data, what its recipes see in its network."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import nn

from prunus.data import Dataset
from prunus.errors import InputError, PrunusError
from prunus.export import read_network
from prunus.measure import RUNTIMES, runtime_of
from prunus.models import build_model, without_weights
from prunus.models.fits import check_fits
from prunus.spec import Control, Recipe, Study, Trial
from prunus.spec.load import parse_study
from prunus.sweep.events import Event, Ready, Refused, Searching
from prunus.sweep.folder import StudyFolder
from prunus.sweep.latency_targets import LatencyTargets, check_measured
from prunus.sweep.opened_files import SeenFile, files_of
from prunus.sweep.own_loop import check_loop
from prunus.sweep.resolve import naming, resolve
from prunus.system.user_code import describe, opened_files
from prunus.tasks import Task, task_of
from prunus.tasks.batch import example_inputs, load_for, shape_of
from prunus.train import PruningScope, pick_device, seed_everything, training_macs

MOST_TIMES_LONGER = 20
"""A control of as many training MACs that takes more times the epochs of its study is left out, and told."""


@dataclass(frozen=True)
class Loaded:
    """What the host holds for all workers. files: what the study's own code opened meanwhile, by path."""

    study: Study
    trials: Mapping[str, Trial]
    dataset: Dataset
    scopes: dict[Recipe | None, PruningScope]
    files: Mapping[str, SeenFile] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        """What the network is for."""
        return task_of(self.study.task)

    @cached_property
    def example(self) -> Any:
        """The first two test inputs, as a network takes them, on the CPU."""
        return example_inputs(self.dataset, self.task)

    @classmethod
    def of(cls, study: Study, targets: LatencyTargets | None = None) -> Loaded:
        """Load a study, and see that its data fit its network and that every recipe can prune it.

        Raises `InputError` for whatever cannot work, `MissingError` for a device or runtime that is not there, before
        anything is trained; where an optional runtime is not there, its measurements will say so.
        targets: of recipes that are to come to a latency, what was found earlier, and where to keep what is found now.
        """
        study = resolve(study)
        pick_device(study.training.device)
        _check_taught(study)
        if study.train is not None:
            check_loop(study.train)
        for name in study.measurement.runtimes:
            if not RUNTIMES.get(name).optional:
                runtime_of(name)
        for recipe in study.recipes:
            check_measured(recipe, study.measurement)
        task = task_of(study.task)
        dataset = load_for(study.data, task)
        own = study.model_copy(update={"control_recipes": ()}).trials()
        check_fits(build(own[0], dataset), dataset, study.model.name, task)
        scopes = _anatomies(own, dataset)
        targets = targets or LatencyTargets()
        study = _settled(study, own[0], dataset, scopes, targets)
        by_name = {recipe.name: recipe for recipe in study.recipes}
        possible = (
            _possible(control, own[0], dataset, scopes, targets, by_name[control.of[0]])
            for control in study.control_recipes
        )
        study = study.model_copy(update={"control_recipes": tuple(possible)})
        return cls(study, _by_digest(study), dataset, scopes)

    @classmethod
    def of_resolved(cls, study: Study) -> Loaded:
        """A study that was found to work before: its data alone; what recipes see is found by `look_at`."""
        return cls(study, _by_digest(study), load_for(study.data, task_of(study.task)), {})

    def look_at(self, trial: Trial) -> None:
        """Find what the trial's recipe sees in the network, where that is not known."""
        if trial.recipe not in self.scopes:
            found = PruningScope.of(build(trial, self.dataset), trial.recipe, self.example)
            self.scopes[trial.recipe] = found


def _check_taught(study: Study) -> None:
    """Raises `InputError` where there is nothing to distil from."""
    if study.training.distillation is not None and without_weights(study.model)[1] is None:
        raise InputError(
            "training.distillation has no teacher",
            "a network learns from the unpruned one with trained weights, and the study begins with fresh ones",
            'name trained weights, such as model = { name = "resnet20", weights = "trained.safetensors" }',
        )


def _by_digest(study: Study) -> dict[str, Trial]:
    return {trial.digest: trial for trial in study.trials()}


def _example(trial: Trial, dataset: Dataset) -> Any:
    return example_inputs(dataset, task_of(trial.task))


def build(trial: Trial, dataset: Dataset) -> nn.Module:
    """The trial's network with the weights it begins with: trained ones, or those that the seed alone decides."""
    seed_everything(trial.seed, "build")
    architecture, weights = without_weights(trial.model)
    task = task_of(trial.task)

    def fresh() -> nn.Module:
        return build_model(architecture, shape_of(_example(trial, dataset)), task.output_size(dataset))

    return read_network(weights, fresh).train() if weights else fresh()


def _settled(
    study: Study, unpruned: Trial, dataset: Dataset, scopes: dict[Recipe | None, PruningScope], targets: LatencyTargets
) -> Study:
    """The study with the rates that its recipes' latencies take."""
    if max(study.rates) == 0:  # no recipe has a trial
        return study
    recipes = []
    for recipe in study.recipes:
        with naming(recipe):
            settled = targets.settle(
                recipe,
                lambda: build(unpruned, dataset),
                scopes[recipe],
                _example(unpruned, dataset),
            )
        if settled != recipe:
            scopes[settled] = scopes[recipe]
            scopes[settled].check(settled, 0.0, unpruned.training.epochs)
        recipes.append(settled)
    return study.model_copy(update={"recipes": tuple(recipes)})


def _possible(
    control: Control,
    unpruned: Trial,
    dataset: Dataset,
    scopes: dict[Recipe | None, PruningScope],
    targets: LatencyTargets,
    pruned: Recipe,
) -> Control:
    """The control at the rates at which this network can have it; what it sees is added to the scopes.

    Nobody asked for it by name, so where it can't be had, the study goes on without, and tells why.
    """
    rates, epochs, refusals, recipe = [], [], [], control.recipe
    most = unpruned.training.epochs
    for rate in control.rates:
        try:
            if control.kind != "random":
                _refuse_trained(unpruned)
            if recipe not in scopes:
                scopes[recipe] = PruningScope.of(build(unpruned, dataset), recipe, _example(unpruned, dataset))
            settled = targets.settle(
                recipe,
                lambda: build(unpruned, dataset),
                scopes[recipe],
                _example(unpruned, dataset),
            )
            scopes[settled], recipe = scopes[recipe], settled
            scopes[recipe].check(recipe, rate, most)
            if control.kind == "dense_longer":
                epochs.append(_longer(settled, rate, pruned, unpruned, dataset, scopes))
            rates.append(rate)
        except PrunusError as error:
            refusals.append(f"At {rate:g}: {error}")
    found = {"recipe": recipe, "rates": tuple(rates), "epochs": tuple(epochs), "left_out": "".join(refusals[:1])}
    return control.model_copy(update=found)


def _refuse_trained(unpruned: Trial) -> None:
    """Raises `InputError` where the study begins with trained weights, which a smaller network has not."""
    if without_weights(unpruned.model)[1] is not None:
        raise InputError(
            "A dense network of the same cost can't be compared",
            "the study begins with trained weights, and a smaller network would need a training of its own",
            "train it in a study without `weights`, for as long as those took",
        )


def _longer(
    dense: Recipe,
    rate: float,
    pruned: Recipe,
    unpruned: Trial,
    dataset: Dataset,
    scopes: Mapping[Recipe | None, PruningScope],
) -> int:
    """For how many epochs a dense network trains for as many MACs as a recipe does in all.

    Raises `InputError` where that is no longer than the study's training, or far too long.
    """
    usual = unpruned.training.epochs
    if unpruned.train is not None:
        raise InputError(
            "A dense network trained for as many MACs can't be compared",
            "a training loop of one's own trains the whole network with masks, so that every recipe costs the same",
            "leave it out with controls = { dense_longer = false }",
        )
    spent, at_once = (
        training_macs(
            build(unpruned, dataset),
            one,
            scopes[one],
            _example(unpruned, dataset),
            rate=rate,
            epochs=usual,
        )
        for one in (pruned, dense)
    )
    epochs = round(usual * spent / at_once) if at_once > 0 else usual
    if epochs <= usual:
        raise InputError(
            "Trained for as many MACs, the dense control is no other one",
            f"recipe '{pruned.name}' trains the small network from its first epoch on",
            "leave it out with controls = { dense_longer = false }",
        )
    if epochs > MOST_TIMES_LONGER * usual:
        raise InputError(
            f"Trained for as many MACs, the dense control of '{pruned.name}' takes {epochs:,} epochs",
            f"that is more than {MOST_TIMES_LONGER} times the study's {usual}",
            "ask for lower rates with controls = { rates = [...] }",
        )
    return epochs


def _anatomies(trials: Sequence[Trial], dataset: Dataset) -> dict[Recipe | None, PruningScope]:
    """What each recipe sees; that it can do what it is asked for is checked at every rate."""
    found: dict[Recipe | None, PruningScope] = {}
    for trial in trials:
        with naming(trial.recipe):
            if trial.recipe not in found:
                found[trial.recipe] = PruningScope.of(build(trial, dataset), trial.recipe, _example(trial, dataset))
            if trial.recipe is not None and trial.seed == trials[0].seed:
                found[trial.recipe].check(trial.recipe, trial.rate, trial.training.epochs)
    return found


def load(folder: StudyFolder, tell: Callable[[Event], None] = lambda _: None) -> tuple[Loaded | None, Ready | Refused]:
    """Load the study of a folder, and say how it went. tell: is told how a search for latencies gets on."""

    def loaded() -> Loaded:
        targets = LatencyTargets(folder.latency_targets, lambda text: tell(Searching(text)))
        return Loaded.of(parse_study(json.loads(folder.study.read_bytes()), str(folder.path)), targets)

    return answering(folder, loaded)


def answering(folder: StudyFolder, make: Callable[[], Loaded]) -> tuple[Loaded | None, Ready | Refused]:
    """What is made, and how it went; whatever goes wrong is an answer, too."""
    try:
        with opened_files() as opened:
            loaded = make()
        loaded = replace(loaded, files=files_of(loaded.study, opened, folder))
    except PrunusError as error:
        return None, Refused(error.exit_code, error.what, error.why, error.do)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        traceback.print_exc()
        what = f"The study cannot be started: {describe(error)}"
        return None, Refused(1, what, "", f"{folder.log} shows where")
    counts = len(loaded.dataset.train), len(loaded.dataset.test)
    files = {path: seen.digest for path, seen in loaded.files.items()}
    return loaded, Ready(loaded.study.model_dump(mode="json"), loaded.dataset.fingerprint(), *counts, files)
