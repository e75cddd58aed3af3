"""What all trials of a study share, loaded once: the resolved study, its data, what its recipes see in its network."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from prunus.data import Dataset, load_data
from prunus.errors import PrunusError
from prunus.measure import RUNTIMES, runtime_of
from prunus.models import build_model
from prunus.models.fits import check_fits
from prunus.spec import Control, Recipe, Study, Trial
from prunus.spec.load import parse_study
from prunus.sweep.events import Event, Ready, Refused, Searching
from prunus.sweep.folder import StudyFolder
from prunus.sweep.latency_targets import LatencyTargets, check_measured
from prunus.sweep.resolve import naming, resolve
from prunus.train import Anatomy, pick_device, seed_everything


@dataclass(frozen=True)
class Loaded:
    """What the host holds for all workers."""

    study: Study
    trials: Mapping[str, Trial]
    dataset: Dataset
    anatomies: dict[Recipe | None, Anatomy]

    @classmethod
    def of(cls, study: Study, targets: LatencyTargets | None = None) -> Loaded:
        """Load a study, and see that its data fit its network and that every recipe can prune it.

        Raises `InputError` for whatever cannot work, `MissingError` for a device or runtime that is not there, before
        anything is trained; where an optional runtime is not there, its measurements will say so.
        targets: of recipes that are to come to a latency, what was found earlier, and where to keep what is found now.
        """
        study = resolve(study)
        pick_device(study.training.device)
        for name in study.measurement.runtimes:
            if not RUNTIMES.get(name).optional:
                runtime_of(name)
        for recipe in study.recipes:
            check_measured(recipe, study.measurement)
        dataset = load_data(study.data)
        own = study.model_copy(update={"control_recipes": ()}).trials()
        check_fits(build(own[0], dataset), dataset, study.model.name)
        anatomies = _anatomies(own, dataset)
        targets = targets or LatencyTargets()
        study = _settled(study, own[0], dataset, anatomies, targets)
        possible = (_possible(control, own[0], dataset, anatomies, targets) for control in study.control_recipes)
        study = study.model_copy(update={"control_recipes": tuple(possible)})
        return cls(study, _by_digest(study), dataset, anatomies)

    @classmethod
    def of_resolved(cls, study: Study) -> Loaded:
        """A study that was found to work before: its data alone; what recipes see is found by `look_at`."""
        return cls(study, _by_digest(study), load_data(study.data), {})

    def look_at(self, trial: Trial) -> None:
        """Find what the trial's recipe sees in the network, where that is not known."""
        if trial.recipe not in self.anatomies:
            found = Anatomy.of(build(trial, self.dataset), trial.recipe, example(self.dataset))
            self.anatomies[trial.recipe] = found


def _by_digest(study: Study) -> dict[str, Trial]:
    return {trial.digest: trial for trial in study.trials()}


def example(dataset: Dataset) -> Tensor:
    """The first two test inputs, as a network takes them, on the CPU."""
    return dataset.prepare(dataset.test.inputs[:2])


def build(trial: Trial, dataset: Dataset) -> nn.Module:
    """The trial's network with its initial weights, which the model and the seed alone decide."""
    seed_everything(trial.seed, "build")
    return build_model(trial.model, dataset.input_shape, len(dataset.classes))


def _settled(
    study: Study, unpruned: Trial, dataset: Dataset, anatomies: dict[Recipe | None, Anatomy], targets: LatencyTargets
) -> Study:
    """The study with the rates that its recipes' latencies take."""
    if max(study.rates) == 0:  # no recipe has a trial
        return study
    recipes = []
    for recipe in study.recipes:
        with naming(recipe):
            settled = targets.settle(recipe, lambda: build(unpruned, dataset), anatomies[recipe], example(dataset))
        if settled != recipe:
            anatomies[settled] = anatomies[recipe]
            anatomies[settled].check(settled, 0.0, unpruned.training.epochs)
        recipes.append(settled)
    return study.model_copy(update={"recipes": tuple(recipes)})


def _possible(
    control: Control,
    unpruned: Trial,
    dataset: Dataset,
    anatomies: dict[Recipe | None, Anatomy],
    targets: LatencyTargets,
) -> Control:
    """The control at the rates at which this network can have it; what it sees is added to the anatomies.

    Nobody asked for it by name, so where it can't be had, the study goes on without, and tells why.
    """
    rates, refusals, recipe = [], [], control.recipe
    for rate in control.rates:
        try:
            if recipe not in anatomies:
                anatomies[recipe] = Anatomy.of(build(unpruned, dataset), recipe, example(dataset))
            settled = targets.settle(recipe, lambda: build(unpruned, dataset), anatomies[recipe], example(dataset))
            anatomies[settled], recipe = anatomies[recipe], settled
            anatomies[recipe].check(recipe, rate, unpruned.training.epochs)
            rates.append(rate)
        except PrunusError as error:
            refusals.append(f"At {rate:g}: {error}")
    return control.model_copy(update={"recipe": recipe, "rates": tuple(rates), "left_out": "".join(refusals[:1])})


def _anatomies(trials: Sequence[Trial], dataset: Dataset) -> dict[Recipe | None, Anatomy]:
    """What each recipe sees; that it can do what it is asked for is checked at every rate."""
    found: dict[Recipe | None, Anatomy] = {}
    for trial in trials:
        with naming(trial.recipe):
            if trial.recipe not in found:
                found[trial.recipe] = Anatomy.of(build(trial, dataset), trial.recipe, example(dataset))
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
        loaded = make()
    except PrunusError as error:
        return None, Refused(error.exit_code, error.what, error.why, error.do)
    except Exception as error:
        traceback.print_exc()
        what = f"The study cannot be started: {type(error).__name__}: {error}"
        return None, Refused(1, what, "", f"{folder.log} shows where")
    counts = len(loaded.dataset.train), len(loaded.dataset.test)
    return loaded, Ready(loaded.study.model_dump(mode="json"), loaded.dataset.fingerprint(), *counts)
