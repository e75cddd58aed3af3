"""Segmentation: every pixel is of one class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from prunus.data.dataset import Dataset
from prunus.spec.metric import Metric
from prunus.tasks.cross_entropy import CrossEntropy
from prunus.tasks.task import Measure

if TYPE_CHECKING:
    from torch import Tensor


class Segmentation(CrossEntropy):
    """Every pixel is of one class: outputs (n, classes, height, width), targets (n, height, width); mean IoU.

    Pixels whose target is 255 do not count. Beside the mean IoU: the IoU of each class, and the accuracy of pixels.
    """

    metric: ClassVar[Metric] = Metric(name="mean IoU")
    ignored: ClassVar[int] = 255

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:
        """Measures of torchmetrics: the Jaccard index, its mean over the classes that there are, and each class's."""
        from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

        classes, ignored = len(dataset.classes), self.ignored
        return {
            "mean IoU": MulticlassJaccardIndex(classes, ignore_index=ignored),
            "IoU of": MulticlassJaccardIndex(classes, average=None, ignore_index=ignored),
            "pixel accuracy": MulticlassAccuracy(classes, average="micro", ignore_index=ignored),
        }

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The class of the highest score of each pixel."""
        return outputs.argmax(1), targets
