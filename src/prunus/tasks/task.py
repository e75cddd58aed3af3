"""What plugs in as a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import ConfigDict

from prunus.errors import InputError
from prunus.spec.metric import Metric
from prunus.spec.part import Frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunus.data import Dataset


class Measure(Protocol):
    """What counts over batches and then computes a number; every metric of torchmetrics does."""

    def update(self, predictions: Any, targets: Any, /) -> None:
        """Count one batch."""

    def compute(self) -> Any:
        """What it comes to: a number; or several in a list; or by name, the first being what a task is judged by."""


class Task(Frozen, ABC):
    """What a network is for; the fields of a subclass are its settings.

    A batch is (inputs, targets); both are trees (torch.utils._pytree) of tensors whose first dimension is the batch.
    Methods compute on whatever device their arguments are on, leave them as they are, and draw no random numbers.

    Attributes:
        targets: the key of the targets where a loader yields one dictionary; all else in it are inputs.
        output: what counts where a network returns several tensors: the key or the place of it, with a dot between
            steps ("logits", "0", "out.0"); None takes the first tensor.

    Example:
        >>> class Huber(Task):
        ...     delta: float = 1.0
        ...     metric = Metric(name="mean error", unit="°C", higher_is_better=False, margin=0.1)
        ...
        ...     def loss(self, outputs, targets):
        ...         return torch.nn.functional.huber_loss(outputs, targets, delta=self.delta)
        ...
        ...     def measures(self, dataset):
        ...         return {"mean error": torchmetrics.MeanAbsoluteError()}
        >>> Huber(delta=2.0).metric.text(1.5)
        '1.5 °C'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ignored_types=(Metric,))

    targets: str = "labels"
    output: str | None = None

    indices: ClassVar[bool] = False
    """Whether targets are indices of classes, one for each input, so that data are checked as those of a classifier."""
    smooths: ClassVar[bool] = False
    """Whether `training.label_smoothing` means something."""
    distils: ClassVar[bool] = False
    """Whether it can be learned from another network's outputs."""

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """The metric that networks are compared by; a class may also say `metric = Metric(...)`."""

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """A number to minimise: the mean over what `count` counts. outputs: what `chosen` takes of the network's."""

    @abstractmethod
    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:
        """Fresh ones by name; the first one is the task's metric."""

    def batch(self, batch: Any) -> tuple[Any, Any]:
        """What a loader yields as (inputs, targets). Raises `InputError` for what is neither pair nor dictionary."""
        if isinstance(batch, tuple | list) and len(batch) >= 2:
            inputs = batch[0] if len(batch) == 2 else tuple(batch[:-1])
            return (tuple(inputs) if isinstance(inputs, list) else inputs), batch[-1]
        if isinstance(batch, Mapping):
            if self.targets in batch:
                return {key: value for key, value in batch.items() if key != self.targets}, batch[self.targets]
            raise InputError(
                f"The batches of the data have no {self.targets!r}",
                f"they are dictionaries of {', '.join(map(str, batch))}",
                f'name the key of the targets: task = {{ name = "...", targets = "{next(iter(batch), "")}" }}',
            )
        raise InputError(
            "The batches of the data are not inputs and targets",
            f"one of them is of type {type(batch).__name__}",
            "yield (inputs, targets), or a dictionary that has both",
        )

    def collate(self) -> Callable[[list[Any]], Any] | None:
        """What puts samples of a Dataset into a batch, where a user gives no loader; None is torch's own."""
        return None

    def narrowed(self, batch: tuple[Any, Any], count: int) -> tuple[Any, Any]:
        """The first inputs and targets of a batch."""
        from torch import Tensor
        from torch.utils._pytree import tree_map_only

        inputs, targets = tree_map_only(Tensor, lambda tensor: tensor[:count] if tensor.dim() else tensor, batch)
        return inputs, targets

    def as_tensors(self, inputs: Any) -> Any:
        """The inputs as files and runtimes are given them: tensors with a batch dimension, one, several or named."""
        return inputs

    def named(self, dataset: Dataset) -> Dataset:
        """The data set with names for its classes, where a task can tell them and the data do not."""
        return dataset

    def run(self, model: nn.Module, inputs: Any, targets: Any) -> Any:  # noqa: ARG002  # some networks take their targets
        """What the network returns for a tensor, a tuple of positional arguments, or a dictionary of named ones."""
        from prunus.prune.evidence.samples import call

        return self.chosen(call(model, inputs))

    def chosen(self, outputs: Any) -> Any:
        """What the loss and the measures look at, of all that a network returns; `InputError` if it is not there."""
        from torch import Tensor
        from torch.utils._pytree import tree_leaves

        if isinstance(outputs, Tensor):
            return outputs
        found = outputs
        for step in self.output.split(".") if self.output else ():
            try:
                found = found[int(step)] if isinstance(found, tuple | list) else _of(found, step)
            except (LookupError, ValueError, AttributeError):
                raise InputError(
                    f"The outputs have no {self.output!r}", f"the network returns {_words(outputs)}", "name another"
                ) from None
        tensors = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        if not tensors:
            why = f"the network returns {_words(found)}, without a tensor"
            raise InputError(
                "The outputs cannot be judged", why, "return a tensor, or a tuple or dictionary of tensors"
            )
        return tensors[0]

    def count(self, targets: Any) -> int:
        """How much of what the loss is the mean over is in a batch: inputs, unless it is pixels or tokens."""
        from torch.utils._pytree import tree_leaves

        return int(tree_leaves(targets)[0].shape[0])

    def total_loss(self, outputs: Any, targets: Any) -> Tensor:
        """The loss summed over what `count` counts, as tests add it up; of nothing, it is nothing."""
        count = self.count(targets)
        return self.loss(outputs, targets) * count if count else outputs.new_zeros(())

    def training_loss(self, outputs: Any, targets: Any, label_smoothing: float) -> Tensor:  # noqa: ARG002
        """The loss that is minimised; only a task that `smooths` is given another smoothing than 0."""
        return self.loss(outputs, targets)

    def batch_loss(self, model: nn.Module, inputs: Any, targets: Any) -> Tensor:
        """The loss of a network in whatever mode it is, with gradients."""
        return self.loss(self.run(model, inputs, targets), targets)

    def tested(self, model: nn.Module, inputs: Any, targets: Any) -> tuple[Any, Tensor]:
        """What the network returns in evaluation mode, and the total loss."""
        outputs = self.run(model, inputs, targets)
        return outputs, self.total_loss(outputs, targets)

    def measured(self, outputs: Any, targets: Any) -> tuple[Any, Any]:
        """Predictions and targets as the measures are given them; outputs and targets unless a task says otherwise."""
        return outputs, targets

    def distillation(self, outputs: Any, taught: Any, targets: Any, temperature: float) -> Tensor:
        """How far the outputs are from another network's, as a number to minimise beside the loss."""
        raise NotImplementedError(f"{type(self).__name__} does not distil")

    def output_size(self, dataset: Dataset) -> int:
        """How many numbers a network gives for an input, which a network built by name is made for."""
        return len(dataset.classes)

    def check_targets(self, targets: Any, dataset: Dataset) -> None:
        """Raises `InputError` where targets are not of this task, such as a label out of range; nothing by default."""

    def check(self, outputs: Any, targets: Any, dataset: Dataset) -> None:
        """Raises `InputError` where outputs do not fit the targets; nothing by default."""


def _of(outputs: Any, step: str) -> Any:
    return outputs[step] if isinstance(outputs, Mapping) else getattr(outputs, step)


def _words(outputs: Any) -> str:
    """What a network returns, in words."""
    if isinstance(outputs, Mapping):
        return f"a dictionary of {', '.join(map(str, outputs))}"
    if isinstance(outputs, tuple | list):
        return f"{len(outputs)} values"
    return f"an object of type {type(outputs).__name__}"


def misfit(why: str, do: str) -> InputError:
    """The error for outputs or targets that do not go together."""
    return InputError("The network and the task do not go together", why, do)
