"""Multi-label classification: every input has any number of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.data.dataset import Dataset, times
from prunus.spec.metric import Metric
from prunus.tasks.task import Measure, Task, misfit

if TYPE_CHECKING:
    from torch import Tensor


class Multilabel(Task):
    """Every input has any number of labels: outputs and targets (n, labels), targets of 0 and 1.

    Binary cross-entropy with logits, the mean over inputs and labels; F1, the mean over labels, at a probability of
    0.5. Beside it: mean average precision, and the share of inputs of which all labels are right.
    """

    metric: ClassVar[Metric] = Metric(name="F1")
    distils: ClassVar[bool] = True

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy."""
        import torch.nn.functional as F

        return F.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))

    def distillation(self, outputs: Tensor, taught: Tensor, targets: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """The same divergence as of classes, of each label and its absence, times the squared temperature."""
        import torch
        import torch.nn.functional as F

        ours, theirs = (
            torch.stack([F.logsigmoid(s / temperature), F.logsigmoid(-s / temperature)], -1)
            for s in (outputs.float(), taught.float())
        )
        return temperature**2 * F.kl_div(ours, theirs, reduction="sum", log_target=True) / outputs.numel()

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:
        """Measures of torchmetrics."""
        from torchmetrics.classification import MultilabelAveragePrecision, MultilabelExactMatch, MultilabelF1Score

        labels = self.output_size(dataset)
        return {
            "F1": MultilabelF1Score(labels),
            "mean average precision": MultilabelAveragePrecision(labels),
            "all labels right": MultilabelExactMatch(labels),
        }

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities."""
        return outputs.float().sigmoid(), targets.long()

    def output_size(self, dataset: Dataset) -> int:
        """One for each label."""
        return len(dataset.classes) or width_of(self, dataset)

    def check_targets(self, targets: Any, dataset: Dataset) -> None:
        """Zeros and ones, a row for each input."""
        from torch import Tensor

        if not isinstance(targets, Tensor) or targets.dim() != 2:
            shape = times(targets.shape) if isinstance(targets, Tensor) else type(targets).__name__
            raise misfit(f"the targets are {shape}, and each input has a row of labels", "give (samples, labels)")
        if dataset.classes and targets.shape[1] != len(dataset.classes):
            raise misfit(f"there are {len(dataset.classes)} names for {targets.shape[1]} labels", "give one name each")
        wrong = targets[(targets != 0) & (targets != 1)]
        if wrong.numel():
            raise misfit(f"a target is {wrong[0].item():g}, and labels are 0 or 1", "give zeros and ones")

    def check(self, outputs: Any, targets: Any, dataset: Dataset) -> None:  # noqa: ARG002
        """One output for each label."""
        if outputs.shape != targets.shape:
            why = f"there are {targets.shape[1]} labels, so {len(targets)} samples must give {times(targets.shape)}"
            raise misfit(f"{why}, and they give {times(outputs.shape)}", "correct its number of outputs")


def width_of(task: Task, dataset: Dataset) -> int:
    """How many numbers the first target has."""
    from prunus.tasks.batch import first_batch

    return int(first_batch(dataset, dataset.train, task)[1][0].numel())
