"""Classification: every input is of one class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from prunus.data.dataset import Dataset
from prunus.spec.metric import Metric
from prunus.tasks.cross_entropy import CrossEntropy
from prunus.tasks.task import Measure

if TYPE_CHECKING:
    from torch import Tensor

NO_CLASS = -1
"""What is predicted where an output is NaN, which names no class."""

BINS = 15
"""Into so many parts confidences are divided, over which the calibration error is summed (Guo et al., 2017)."""


class Classification(CrossEntropy):
    """Every input is of one class: outputs (n, classes), targets (n,) indices of classes; cross-entropy, accuracy.

    Beside the accuracy: balanced accuracy, F1 (mean over the classes) and calibration error; recall and predictions of
    each class. They are counted here and not by torchmetrics, whose import takes as long as a small study.
    """

    metric: ClassVar[Metric] = Metric()
    indices: ClassVar[bool] = True

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:
        """Right answers, in all and of each class, and how far confidences are from them."""
        counts = ClassCounts()
        classes = len(dataset.classes)
        return {
            "accuracy": counts,
            "balanced accuracy": Balanced(counts, classes),
            "F1": F1(counts, classes),
            "calibration error": CalibrationError(),
        }

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The inputs whose target counts."""
        counted = targets != self.ignored
        return outputs[counted], targets[counted]


class ClassCounts:
    """Counts inputs and right answers, in all and of each class."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Keep a batch of predicted and true classes."""
        outputs = outputs.float()
        predicted = outputs.argmax(1).masked_fill_(outputs.isnan().any(1), NO_CLASS)
        self.pairs.append((predicted.cpu(), targets.cpu()))

    @property
    def correct(self) -> int:
        """Right answers."""
        return sum(int((predicted == targets).sum()) for predicted, targets in self.pairs)

    @property
    def total(self) -> int:
        """Inputs."""
        return sum(len(targets) for _, targets in self.pairs)

    def compute(self) -> float:
        """The share of right answers."""
        return self.correct / self.total

    def by_class(self, classes: int) -> tuple[list[int], list[int], list[int]]:
        """For each class, how many inputs are of it, how many are called so, and how many are called so rightly."""
        import torch

        predicted, targets = (torch.cat([pair[side] for pair in self.pairs]) for side in (0, 1))
        counted = (targets, predicted[predicted != NO_CLASS], targets[predicted == targets])
        test, called, right = (torch.bincount(each, minlength=classes).tolist() for each in counted)
        return test, called, right


class OfClasses:
    """The mean of a number over the classes, of counts that another measure keeps."""

    def __init__(self, counts: ClassCounts, classes: int) -> None:
        self.counts, self.classes = counts, classes

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Nothing: the counts are kept already."""


class Balanced(OfClasses):
    """The mean recall of the classes that there are among the targets."""

    def compute(self) -> float:
        """A share."""
        test, _, right = self.counts.by_class(self.classes)
        recalls = [correct / count for count, correct in zip(test, right, strict=True) if count]
        return sum(recalls) / len(recalls)


class F1(OfClasses):
    """The mean F1 of the classes that there are among targets or predictions."""

    def compute(self) -> float:
        """A share."""
        columns = zip(*self.counts.by_class(self.classes), strict=True)
        scores = [2 * right / (test + called) for test, called, right in columns if test + called]
        return sum(scores) / len(scores)


class CalibrationError:
    """The mean difference of confidence and accuracy over 15 bins of equal width, each by its number of inputs."""

    def __init__(self) -> None:
        self.sums: Tensor | None = None

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Sum up inputs, confidences and right answers of each bin."""
        import torch

        outputs, targets = outputs.cpu(), targets.cpu()  # not every device has double precision
        confidence, predicted = outputs.double().softmax(1).nan_to_num().max(1)
        place = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
        columns = torch.stack([torch.ones_like(confidence), confidence, (predicted == targets).double()], 1)
        sums = columns.new_zeros(BINS, 3).index_add_(0, place, columns)
        self.sums = sums if self.sums is None else self.sums + sums

    def compute(self) -> float:
        """A share."""
        assert self.sums is not None
        count, confidence, right = self.sums.T
        return float((confidence - right).abs().sum() / count.sum())
