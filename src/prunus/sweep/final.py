"""The final network of a trial: cut where its channels are gone for good, written, and read again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from prunus.errors import PrunusError
from prunus.export import WrittenFile, write_safetensors
from prunus.measure import Builder, named_model
from prunus.spec import Trial
from prunus.store import ProblemRow
from prunus.surgery import Surgeon
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded, example
from prunus.train import Pruner, TrainingState, planned, widen


@dataclass(frozen=True)
class FinalNetwork:
    """A trained and pruned network in evaluation mode on the CPU.

    deviation: where it was cut, the largest |masked - cut| output relative to the largest output; else None.
    """

    model: nn.Module
    deviation: float | None
    file: WrittenFile
    problems: tuple[ProblemRow, ...]


def finish(state: TrainingState, trial: Trial, loaded: Loaded, folder: StudyFolder) -> FinalNetwork:
    """Cut the trained network where its channels are gone for good, and write it.

    A cut that is refused is a problem row; the masked network is then the final one.
    """
    model = widen(state).to("cpu").to(memory_format=torch.contiguous_format).eval()
    deviation, problems = None, []
    if _cuttable(trial, state.pruner):
        try:
            surgeon = state.pruner.anatomy.surgeon or Surgeon(model, example(loaded.dataset))
            small = surgeon.shrink(model, planned(state.pruner))
            model, deviation = small.model.eval(), small.deviation
        except PrunusError as error:
            problems.append(ProblemRow(trial.digest, "shrink", type(error).__name__, str(error)))
    file = write_safetensors(model, folder.weights(trial.digest))
    return FinalNetwork(model, deviation, file, tuple(problems))


def builder(trial: Trial, loaded: Loaded) -> Builder:
    """How any process builds the unpruned network of a trial, which the final one's file is cut from and read into."""
    return named_model(trial.model, loaded.dataset.input_shape, len(loaded.dataset.classes))


def _cuttable(trial: Trial, pruner: Pruner) -> bool:
    recipe = trial.recipe
    channels = recipe is not None and recipe.pattern.name == "channel" and recipe.permanence == "permanent"
    return channels and any(bool(units.any()) for units in pruner.gone.values())
