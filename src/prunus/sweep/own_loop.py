"""A training loop of the user's own as a trial: `train = "mine.py:train"`, a function of one `RunningTrial`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import Sampler

from prunus.data import Dataset
from prunus.errors import InputError, NotFiniteError
from prunus.spec import Training, Trial
from prunus.sweep.checkpoints import Interrupted
from prunus.system.user_code import UserFunction, load_function
from prunus.tasks import task_of
from prunus.train import EpochResult, Pruner, TrainingState, generator, seed_everything


class RunningTrial:
    """One trial of a study, as the user's own training loop sees it.

    The loop trains `model`, calls `pruner.step(optimizer)` after every step of its optimiser, and tells after every
    epoch how good the network is. Seeds, checkpoints, costs, exports, measurements and reports are prunus' part.

    Attributes:
        model: the network to train, on its device, with the weights that the trial begins with.
        pruner: prunes it. With `pruner.steps_per_epoch = len(loader)` it does so in the last step of an epoch, else
            where the loop calls `pruner.after_epoch(epoch, optimizer)`, else when the next epoch begins.
        epochs: the epochs that are still to come, counted from 1; an iterator. Each begins with fresh seeds. Where a
            library has the loop, `next(trial.epochs)` in its hook at the beginning of an epoch does the same.
        done: how many epochs are over; more than 0 at first where the trial was interrupted.
        dataset: the study's data.
        training: the study's settings; `training.epochs` is the length of the training.
        teacher: the unpruned network with trained weights, where the study distils from it; else None.
        rate: the share of units that is to go; 0 for the unpruned network.
        seed: of every draw of the trial.
        device: where the model is.

    Example:
        >>> def train(trial):
        ...     optimizer = torch.optim.SGD(trial.model.parameters(), lr=0.1)
        ...     trial.resume(optimizer=optimizer)
        ...     for epoch in trial.epochs:
        ...         for inputs, targets in loader:
        ...             optimizer.zero_grad()
        ...             loss(trial.model(inputs), targets).backward()
        ...             optimizer.step()
        ...             trial.pruner.step(optimizer)
        ...         trial.report(metric=accuracy(trial.model))
        ...         trial.checkpoint(optimizer=optimizer)
    """

    def __init__(
        self,
        trial: Trial,
        state: TrainingState,
        dataset: Dataset,
        *,
        after_epoch: Callable[..., None] = lambda *_, **__: None,
        save: Callable[[TrainingState], bool] = lambda _: False,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take up a trial.

        after_epoch: is given the state after every epoch, and `saved`. save: writes a checkpoint where one is due or
        the trial is to stop, and says whether it has.
        """
        self._trial, self._state, self.dataset = trial, state, dataset
        self._after_epoch, self._save, self._stop_asked = after_epoch, save, stop_asked
        self._epoch, self._began, self._untold = state.done, time.perf_counter(), False
        self._can_go_on_from = 0  # the last epoch with all that the loop wants kept
        self._resumed: set[str] = set()
        self.epochs: Iterator[int] = self._epochs()

    @property
    def model(self) -> nn.Module:
        """The network to train."""
        return self._state.pruner.model

    @property
    def pruner(self) -> Pruner:
        """What prunes it."""
        return self._state.pruner

    @property
    def teacher(self) -> nn.Module | None:
        """The unpruned network with trained weights, where the study distils from it."""
        return self._state.teacher

    @property
    def training(self) -> Training:
        """The study's settings of the training."""
        return self._trial.training

    @property
    def done(self) -> int:
        """How many epochs are over."""
        return self._state.done

    @property
    def rate(self) -> float:
        """The share of units that is to go."""
        return self._trial.rate

    @property
    def seed(self) -> int:
        """The seed of every draw of the trial."""
        return self._trial.seed

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def _epochs(self) -> Iterator[int]:
        self._prune_if_due(self._state.done)
        for epoch in range(self._state.done + 1, self.training.epochs + 1):
            self._epoch, self._began = epoch, time.perf_counter()
            seed_everything(self.seed, "training", epoch)
            with _loading(self._left_to_load()):
                yield epoch
            self._end_epoch(epoch)

    def _left_to_load(self) -> dict[str, Any]:
        """What the checkpoint kept of optimisers that `resume` was not given."""
        saved, self._state.saved_objects = self._state.saved_objects, {}
        return {name: kept for name, kept in saved.items() if name not in self._resumed}

    def _end_epoch(self, epoch: int) -> None:
        """Say that the epoch is over, and prune after it if the loop has not."""
        if self._state.done < epoch:
            raise InputError(
                f"Nothing was reported of epoch {epoch}",
                f"{self._trial.train} went on without saying how good the network is",
                "call trial.report(metric=...) at the end of every epoch",
            )
        self._stop_if_asked(self._can_go_on_from == epoch)
        self._tell(saved=False)
        self._prune_if_due(epoch)

    def _stop_if_asked(self, can_go_on: bool) -> None:
        if self._stop_asked() and self._state.done < self.training.epochs:
            self._tell(saved=can_go_on and self._save(self._state))
            raise Interrupted

    def _prune_if_due(self, epoch: int) -> None:
        if self._is_due(epoch):
            self.pruner.after_epoch(epoch)

    def _is_due(self, epoch: int) -> bool:
        return self.pruner.epochs_over < epoch and self.pruner.acts_after(epoch)

    def report(self, *, metric: float, loss: float = math.nan, train_loss: float = math.nan) -> None:
        """Say how good the network is after this epoch; before the first one, how good trained weights are.

        Args:
            metric: the value of the task's metric on the test data; a share (0 to 1) where its unit is %.
            loss: the mean loss on the test data.
            train_loss: the mean loss on the training data.

        Raises:
            InputError: the epoch was reported already, the network is to be pruned after the last epoch, or a share is
                none.
            NotFiniteError: the metric is NaN.
        """
        value = _number(metric)
        if self._state.epochs and self._state.done >= self._epoch:
            why = f"trial.report was called twice after epoch {self._epoch}"
            raise InputError("A trial reports an epoch once", why, "call it once at the end of every epoch")
        judged = task_of(self._trial.task).metric
        if judged.unit == "%" and (value < 0 or value > 1):
            why = "its unit is %, so that it is reported as a share, from 0 to 1"
            raise InputError(f"The {judged.name} was reported as {value:g}", why, "report 0.973 for 97.3 %")
        if math.isnan(value):
            why = f"{self._trial.train} reported it after epoch {self._epoch}"
            raise NotFiniteError("The metric is NaN", why, "lower the learning rate, or look at how it is computed")
        if self._epoch > max(0, self.pruner.epochs_over) and self.pruner.acts_after(self.training.epochs):
            raise InputError(
                f"Epoch {self._epoch} was reported before the pruner was told that it is over",
                "this recipe prunes after the last epoch, too, and nothing would be known of the network that is left",
                "set pruner.steps_per_epoch, or call pruner.after_epoch(epoch, optimizer) before you test",
            )
        self._state.epochs.append(
            EpochResult(
                epoch=self._epoch,
                train_loss=_number(train_loss),
                test_loss=_number(loss),
                metric=value,
                test_correct=None,
                test_total=None,
                sparsity=self.pruner.sparsity(),
                learning_rate=math.nan,
                seconds=time.perf_counter() - self._began,
            )
        )
        self._untold = True

    def sampler(self, samples: Sized) -> Sampler[int]:
        """An order for a `DataLoader` that follows from the seed and the epoch alone, whoever draws it, and when.

        Libraries that have the loop draw an epoch's order before its hook, or by a seed of their own: after an
        interruption the network would see other batches.

        Args:
            samples: all of them are drawn once per epoch.
        """
        return _Order(len(samples), self)

    def resume(self, **objects: Any) -> None:
        """Give objects the state that `checkpoint` kept of them, where this trial was interrupted; call it first.

        Args:
            objects: by name, whatever has `state_dict` and `load_state_dict`: optimisers, schedulers, scalers.
        """
        for name, one in objects.items():
            if name in self._state.saved_objects:
                one.load_state_dict(self._state.saved_objects[name])
        self._resumed |= set(objects)

    def checkpoint(self, **objects: Any) -> None:
        """Let the trial go on from here if it is interrupted. Call it after `report`.

        It is written where `execution.checkpoint_seconds` have passed, or the study is to stop. The network, the pruner
        and what was reported are kept anyway.

        Args:
            objects: by name, what else is to be kept: optimisers, schedulers, whatever has `state_dict`.

        Raises:
            InputError: an object is kept that nothing takes up again.
        """
        for name, one in objects.items():
            if name not in self._resumed and not isinstance(one, torch.optim.Optimizer):
                raise InputError(
                    f"trial.checkpoint keeps '{name}', and nothing would take it up again",
                    "trial.resume was not given it before the first epoch",
                    f"call trial.resume({name}={name}) before the loop",
                )
        self._state.objects, self._can_go_on_from = objects, self._epoch
        self._stop_if_asked(can_go_on=True)
        self._tell(saved=self._state.done < self.training.epochs and self._save(self._state))

    def _finish(self, reference: str) -> None:
        """See that all epochs were trained and reported. Raises `InputError` where the loop ended early."""
        next(self.epochs, None)
        done, asked = self._state.done, self.training.epochs
        if done < asked and self._stop_asked():
            raise Interrupted
        if done < asked:
            why = f"the study trains for {asked}, and trials of other lengths cannot be compared"
            raise InputError(f"{reference} ended after epoch {done}", why, "loop over trial.epochs to its end")
        self._tell(saved=False)

    def _tell(self, *, saved: bool) -> None:
        if self._untold:
            self._untold = False
            self._after_epoch(self._state, saved=saved)


class _Order(Sampler[int]):
    """Every index once, in the order of the epoch that comes next."""

    def __init__(self, count: int, running: RunningTrial) -> None:
        self.count, self.running = count, running

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        draws = generator(self.running.seed, "order", self.running.done + 1)
        yield from torch.randperm(self.count, generator=draws).tolist()


def _number(value: Any) -> float:
    """A number of Python's, of a tensor or of an array with one element. Raises `InputError` for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError("A trial reports numbers", str(error), "give trial.report one number a name") from None


@contextmanager
def _loading(kept: dict[str, Any]) -> Iterator[None]:
    """Within, an optimiser gets back its moments before its first step, where it fits what was kept.

    Its groups stay as the loop has made them: a loop that sets learning rates by itself has done so already.
    """

    def load(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        own = optimizer.state_dict()["param_groups"]
        for name, state in list(kept.items()):
            if [len(one["params"]) for one in state["param_groups"]] == [len(one["params"]) for one in own]:
                optimizer.load_state_dict({"state": kept.pop(name)["state"], "param_groups": own})
                return

    hook = register_optimizer_step_pre_hook(load) if kept else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()


def check_loop(reference: str) -> UserFunction:
    """The user's function. Raises `InputError` where there is none that takes a trial."""
    function = load_function(reference)
    try:
        function.signature.bind(None)
    except TypeError as error:
        why = f"it is called with one argument, the trial, and {error}"
        raise InputError(f"The function {reference} cannot train", why, "write def train(trial):") from None
    return function


def run_own_loop(running: RunningTrial, reference: str) -> None:
    """Have the user's function train.

    Raises `Interrupted` where the trial was to stop, `InputError` where it ended early, and whatever it raises itself.
    """
    check_loop(reference).function(running)
    running._finish(reference)
