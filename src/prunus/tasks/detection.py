"""Detection: boxes and classes of what there is in an image, by networks such as torchvision's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.data.dataset import Dataset
from prunus.errors import MissingError
from prunus.spec.metric import Metric
from prunus.tasks.task import Measure, Task, misfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

BACKENDS = {"pycocotools": "pycocotools", "faster_coco_eval": "faster_coco_eval"}
"""Packages, each with what torchmetrics calls it, that compute average precision."""


class Detection(Task):
    """Boxes and classes: a network as torchvision's detection models are called and answer.

    In training mode it takes a list of images and a list of targets, dictionaries of `boxes` (n, 4) as x1, y1, x2, y2
    and `labels` (n,), and returns a dictionary of losses, which are added up; in evaluation mode it takes the images
    and returns a list of dictionaries of `boxes`, `labels` and `scores`. Average precision at an IoU of 0.5, the mean
    over classes; beside it that of COCO, and that at 0.75. Needs pycocotools.
    """

    metric: ClassVar[Metric] = Metric(name="mAP50")

    def batch(self, batch: Any) -> tuple[Any, Any]:
        """A list of images as the only argument, and a list of targets; of a dictionary, the first other key."""
        images, targets = super().batch(batch)
        if isinstance(images, Mapping):
            images = next(iter(images.values()), ())
        return (list(images),), list(targets)

    def collate(self) -> Callable[[list[Any]], Any]:
        """Images and targets of several samples, as lists: they may differ in size."""
        return _side_by_side

    def narrowed(self, batch: tuple[Any, Any], count: int) -> tuple[Any, Any]:
        """The first images and their targets."""
        (images,), targets = batch
        return (images[:count],), targets[:count]

    def as_tensors(self, inputs: Any) -> Any:
        """Images of one size in one tensor, over which such networks go as over a list."""
        import torch

        (images,) = inputs
        return torch.stack(images) if len({image.shape for image in images}) == 1 else inputs

    def run(self, model: nn.Module, inputs: Any, targets: Any) -> Any:
        """Losses in training mode, detections in evaluation mode."""
        return model(*inputs, targets) if model.training else model(*inputs)

    def loss(self, outputs: Any, targets: Any) -> Tensor:  # noqa: ARG002  # it is in the losses already
        """The sum of the losses."""
        import torch

        return torch.stack([loss.float() for loss in outputs.values()]).sum()

    def batch_loss(self, model: nn.Module, inputs: Any, targets: Any) -> Tensor:
        """The loss, in training mode but for layers that would then learn statistics or draw numbers."""
        with _answering_with_losses(model):
            return self.loss(model(*inputs, targets), targets)

    def tested(self, model: nn.Module, inputs: Any, targets: Any) -> tuple[Any, Tensor]:
        """Detections, and the total loss, for which the network runs a second time."""
        return model(*inputs), self.batch_loss(model, inputs, targets) * self.count(targets)

    def count(self, targets: Any) -> int:
        """Images."""
        return len(targets)

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:  # noqa: ARG002
        """Measures of torchmetrics."""
        return {"": AveragePrecision()}

    def check_targets(self, targets: Any, dataset: Dataset) -> None:
        """Boxes that are some, and labels, as many as boxes."""
        for target in targets:
            if not isinstance(target, Mapping) or not {"boxes", "labels"} <= set(target):
                found = ", ".join(map(str, target)) if isinstance(target, Mapping) else type(target).__name__
                raise misfit(f"a target has {found}", "give a dictionary with 'boxes' and 'labels' for each image")
            boxes, labels = target["boxes"], target["labels"]
            if boxes.dim() != 2 or boxes.shape[1] != 4 or len(labels) != len(boxes):
                shape = "x".join(map(str, boxes.shape))
                raise misfit(
                    f"an image has boxes of the shape {shape} and {len(labels)} labels", "give (n, 4) and (n,)"
                )
            if bool((boxes[:, 2:] <= boxes[:, :2]).any()):
                raise misfit("a box has no width or no height", "give boxes as x1, y1, x2, y2 with x1 < x2 and y1 < y2")
            if (
                dataset.classes
                and len(labels)
                and not 0 <= int(labels.min()) <= int(labels.max()) < len(dataset.classes)
            ):
                wrong = int(labels.max()) if int(labels.min()) >= 0 else int(labels.min())
                raise misfit(f"a label is {wrong}, and there are {len(dataset.classes)} classes", "correct the labels")

    def check(self, outputs: Any, targets: Any, dataset: Dataset) -> None:  # noqa: ARG002
        """A list of dictionaries, one for each image."""
        wanted = {"boxes", "labels", "scores"}
        one_each = isinstance(outputs, list) and len(outputs) == len(targets)
        if one_each and all(isinstance(each, Mapping) and wanted <= set(each) for each in outputs):
            return
        raise misfit(
            f"in evaluation mode it returns an object of type {type(outputs).__name__}",
            "return a list with a dictionary of boxes, labels and scores for each image, as torchvision's models do",
        )


class AveragePrecision:
    """`torchmetrics.detection.MeanAveragePrecision`, of whose many numbers four are kept."""

    KEPT: ClassVar[dict[str, str]] = {"mAP50": "map_50", "mAP": "map", "mAP75": "map_75"}

    def __init__(self) -> None:
        backend = next((name for package, name in BACKENDS.items() if find_spec(package)), None)
        if backend is None:
            raise MissingError(
                "Average precision cannot be computed", "pycocotools is not installed", "run: pip install pycocotools"
            )
        from torchmetrics.detection import MeanAveragePrecision

        self.whole = MeanAveragePrecision(backend=backend)  # type: ignore[arg-type]

    def update(self, detections: Any, targets: Any) -> None:
        """Keep detections and targets of a batch, in main memory."""
        from torch import Tensor
        from torch.utils._pytree import tree_map_only

        self.whole.update(
            *(tree_map_only(Tensor, lambda one: one.detach().cpu(), each) for each in (detections, targets))
        )

    def compute(self) -> dict[str, float]:
        """Shares, by name."""
        found = self.whole.compute()
        return {name: max(0.0, float(found[key])) for name, key in self.KEPT.items()}  # -1 where there is no box


def _side_by_side(samples: list[Any]) -> Any:
    if isinstance(samples[0], Mapping):
        return {key: [sample[key] for sample in samples] for key in samples[0]}
    return tuple(map(list, zip(*samples, strict=True)))


@contextmanager
def _answering_with_losses(model: nn.Module) -> Iterator[None]:
    """Training mode for all but norms over the batch, which would learn statistics, and dropout."""
    from torch import nn

    before = [(module, module.training) for module in model.modules()]
    for module, _ in before:
        if not isinstance(module, (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)):
            module.training = True
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
