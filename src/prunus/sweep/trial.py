"""One trial from start to end, and how long all trials of a study will take."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch

from prunus.cost import count_cost
from prunus.data import Dataset
from prunus.models import without_weights
from prunus.spec import Trial
from prunus.store import EpochRow, ProblemRow, write_result
from prunus.sweep.checkpoints import Checkpoints, Interrupted, why_not_exact
from prunus.sweep.events import EpochDone, Event, TrialStarted
from prunus.sweep.final import cost_row, file_row, finish, layer_rows, loss_problems, test_rows
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Lease
from prunus.sweep.loaded import Loaded, build
from prunus.sweep.opened_files import refuse_changed_files
from prunus.sweep.own_loop import RunningTrial, run_own_loop
from prunus.system.user_code import user_modules
from prunus.tasks import task_of
from prunus.tasks.batch import example_inputs
from prunus.train import (
    Pruner,
    PruningScope,
    TrainingState,
    calibration_samples,
    pick_device,
    start,
    train,
)


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
    state = checkpoints.resume(
        lambda: begin(trial, dataset, loaded.scopes[trial.recipe]),
        lambda: _why_not_exact(trial, loaded),
    )
    refuse_changed_files(loaded.files)
    tell(TrialStarted(trial.digest, state.done, checkpoints.unread))

    def save(state: TrainingState) -> bool:
        return (stop_asked() or checkpoints.due()) and checkpoints.save(state)

    def told(state: TrainingState, *, saved: bool) -> None:
        tell(EpochDone(EpochRow(trial=trial.digest, **asdict(state.epochs[-1])), saved=saved))

    def after_epoch(state: TrainingState) -> None:
        over = state.done == trial.training.epochs
        stop = not over and stop_asked()
        told(state, saved=not over and save(state))
        if stop:
            raise Interrupted

    if trial.train is None:
        train(state, dataset, trial.training, seed=trial.seed, after_epoch=after_epoch)
    else:
        run_own_loop(
            RunningTrial(trial, state, dataset, after_epoch=told, save=save, stop_asked=stop_asked), trial.train
        )
    _conclude(trial, loaded, folder, state, lease, checkpoints.problems)
    checkpoints.remove()


def _why_not_exact(trial: Trial, loaded: Loaded) -> str:
    """Why it would not end with the same bits; a loop of the user's own, whose epochs may take hours, is not tried."""
    if trial.train is not None:
        return ""
    return why_not_exact(trial, loaded.dataset, lambda short: begin(trial, short, loaded.scopes[trial.recipe]))


def begin(trial: Trial, dataset: Dataset, scope: PruningScope | None = None) -> TrainingState:
    """The trial before its first epoch, on its device."""
    torch.set_num_threads(trial.training.threads)
    device = pick_device(trial.training.device)
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    task = task_of(trial.task)
    model = build(trial, dataset)
    pruner = Pruner(
        model,
        trial.recipe,
        example_inputs(dataset, task),
        rate=trial.rate,
        epochs=trial.training.epochs,
        steps_per_epoch=None,
        seed=trial.seed,
        samples=calibration_samples(dataset, trial.seed, task=task),
        scope=scope,
    )
    model.to(device)
    if trial.training.channels_last:
        model.to(memory_format=torch.channels_last)
    state = start(model, pruner, trial.training, user_modules(), task)
    state.pretrained = without_weights(trial.model)[1] is not None
    state.shrinks = trial.train is None and pruner.quantization is None  # whose ranges are of the whole network
    if trial.training.distillation is not None:
        state.teacher = build(trial, dataset).eval().requires_grad_(requires_grad=False).to(device)
    return state


def rehearse(loaded: Loaded) -> None:
    """Have everything imported that a trial imports on its way, so that it is done once and not in every worker.

    Nothing is trained: threads that a backward pass starts would not survive a fork.
    """
    trial = next(iter(loaded.trials.values()))
    on_cpu = trial.training.model_copy(update={"device": "cpu"})
    state = begin(trial.model_copy(update={"training": on_cpu}), loaded.dataset, loaded.scopes[None])
    state.optimizer.zero_grad()
    count_cost(state.model, loaded.example)


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
        loaded.example,
        weight_bits=measurement.weight_bits,
        activation_bits=measurement.activation_bits,
        bits={name: (one.weight_bits, one.activation_bits) for name, one in final.scheme.items()},
    )
    rows = [
        *(EpochRow(trial=trial.digest, **asdict(result)) for result in state.epochs),
        cost_row(trial, cost, final.deviation),
        *layer_rows(trial, cost, state.pruner),
        *(file_row(trial.digest, file, folder) for file in final.files),
        *test_rows(trial, dataset, final.tested, state),
        *loss_problems(trial, state.epochs),
        *final.problems,
        *problems,
    ]
    lease.check()
    write_result(folder.result(trial.digest), rows, lease.token)


TIMED_SECONDS = 2.0
TIMED_BATCHES = 8


def estimate_seconds(loaded: Loaded) -> float:
    """Seconds that the training of all trials takes; exports and measurements come on top.

    Times the unpruned network, one trial alone, on its first batches until 2 s have passed, after one warm-up.
    """
    trial = next(iter(loaded.trials.values()))
    once = trial.training.model_copy(update={"epochs": 1})
    timed = loaded.dataset.head(TIMED_BATCHES * once.batch_size)
    spent, epochs = 0.0, -1
    while epochs < 1 or spent < TIMED_SECONDS:
        state = begin(trial, timed, loaded.scopes[None])
        began = time.perf_counter()
        train(state, timed, once, seed=trial.seed)
        epochs += 1
        spent += (time.perf_counter() - began) * (epochs > 0)
    workers = loaded.study.execution.workers or len(os.sched_getaffinity(0))
    share = len(loaded.dataset.train) / len(timed.train)
    rounds = -(-len(loaded.trials) // workers)
    return spent / epochs * share * trial.training.epochs * rounds
