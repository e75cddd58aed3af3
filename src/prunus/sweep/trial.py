"""One trial from start to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch

from prunus.cost import count_cost
from prunus.data import Dataset
from prunus.spec import Trial
from prunus.store import EpochRow, ProblemRow, write_result
from prunus.sweep.checkpoints import Checkpoints
from prunus.sweep.events import EpochDone, Event, TrialStarted
from prunus.sweep.final import finish
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.loaded import Loaded, build, example
from prunus.sweep.trial_rows import class_rows, cost_row, file_row, layer_rows
from prunus.train import (
    Anatomy,
    Pruner,
    TrainingState,
    calibration_samples,
    pick_device,
    start,
    train,
)


class Interrupted(Exception):  # noqa: N818  # not an error
    """The trial was asked to stop and has left a checkpoint."""


def run_trial(
    trial: Trial,
    loaded: Loaded,
    folder: StudyFolder,
    lease: Lease,
    *,
    tell: Callable[[Event], None],
    stop_asked: Callable[[], bool],
) -> None:
    """Build, train and prune, shrink, count and test; leave the final network and the result file.

    Goes on from the trial's checkpoint if there is one. Raises `Interrupted` after the epoch in which a stop is asked,
    and `LeaseExpiredError` instead of writing anything once the trial is another worker's.
    """
    dataset = loaded.dataset
    lease.check()
    checkpoints = Checkpoints(folder.checkpoint(trial.digest), lease, loaded.study.execution.checkpoint_seconds)
    state = checkpoints.resume(lambda: begin(trial, dataset, loaded.anatomies[trial.recipe]))
    tell(TrialStarted(trial.digest, len(state.epochs), checkpoints.unread))

    def after_epoch(state: TrainingState) -> None:
        over = len(state.epochs) == trial.training.epochs
        stop = not over and stop_asked()
        saved = (stop or (not over and checkpoints.due())) and checkpoints.save(state)
        tell(EpochDone(EpochRow(trial=trial.digest, **asdict(state.epochs[-1])), saved=saved))
        if stop:
            raise Interrupted

    train(state, dataset, trial.training, seed=trial.seed, after_epoch=after_epoch)
    _conclude(trial, loaded, folder, state, lease, checkpoints.problems)
    checkpoints.remove()


def begin(trial: Trial, dataset: Dataset, anatomy: Anatomy | None = None) -> TrainingState:
    """The trial before its first epoch, on its device."""
    torch.set_num_threads(trial.training.threads)
    device = pick_device(trial.training.device)
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    model = build(trial, dataset)
    pruner = Pruner(
        model,
        trial.recipe,
        example(dataset),
        rate=trial.rate,
        epochs=trial.training.epochs,
        steps_per_epoch=None,
        seed=trial.seed,
        samples=calibration_samples(dataset, trial.seed),
        anatomy=anatomy,
    )
    model.to(device)
    if trial.training.channels_last:
        model.to(memory_format=torch.channels_last)
    return start(model, pruner, trial.training)


def rehearse(loaded: Loaded) -> None:
    """Have everything imported that a trial imports on its way, so that it is done once and not in every worker.

    Nothing is trained: threads that a backward pass starts would not survive a fork.
    """
    trial = next(iter(loaded.trials.values()))
    on_cpu = trial.training.model_copy(update={"device": "cpu"})
    state = begin(trial.model_copy(update={"training": on_cpu}), loaded.dataset, loaded.anatomies[None])
    state.optimizer.zero_grad()
    count_cost(state.model, example(loaded.dataset))


def _conclude(
    trial: Trial,
    loaded: Loaded,
    folder: StudyFolder,
    state: TrainingState,
    lease: Lease,
    problems: Sequence[ProblemRow],
) -> None:
    """Leave the final network and, last of all, the result file: where it is, the trial is finished."""
    dataset, measurement = loaded.dataset, loaded.study.measurement
    lease.check()
    final = finish(state, trial, loaded, folder)
    cost = count_cost(
        final.model,
        example(dataset),
        weight_bits=measurement.weight_bits,
        activation_bits=measurement.activation_bits,
    )
    rows = [
        *(EpochRow(trial=trial.digest, **asdict(result)) for result in state.epochs),
        cost_row(trial, cost, final.deviation),
        *layer_rows(trial, cost, state.pruner),
        file_row(trial.digest, final.file, folder),
        *class_rows(trial, dataset, final.model, state.pruner.layers),
        *final.problems,
        *problems,
    ]
    lease.check()
    write_result(folder.result(trial.digest), rows, lease.token)
