"""What tasks have in common whose outputs are scores of classes, one row for each input, pixel or token."""

from __future__ import annotations

from abc import ABC
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.data.dataset import Dataset, Split, times
from prunus.errors import InputError
from prunus.tasks.task import Task, misfit

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Task, ABC):
    """Outputs (n, classes, ...) and targets (n, ...), indices of classes; those that are `ignored` do not count.

    classes: how many there are, or their names, where the data do not say it.
    """

    classes: int | tuple[str, ...] | None = None

    smooths: ClassVar[bool] = True
    distils: ClassVar[bool] = True
    ignored: ClassVar[int] = -100
    counts_classes: ClassVar[bool] = True
    """Whether nothing can be measured without the number of classes."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return self.training_loss(outputs, targets, 0.0)

    def count(self, targets: Tensor) -> int:
        """Inputs, pixels or tokens whose target counts."""
        return int((targets != self.ignored).sum())

    def training_loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        """Cross-entropy with smoothed labels."""
        import torch.nn.functional as F

        return F.cross_entropy(outputs, targets, ignore_index=self.ignored, label_smoothing=label_smoothing)

    def total_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, summed in one go: its bits are not those of a mean times a count."""
        import torch.nn.functional as F

        return F.cross_entropy(outputs.float(), targets, ignore_index=self.ignored, reduction="sum")

    def distillation(self, outputs: Tensor, taught: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """KL divergence of the two softmaxes where targets count, times the squared temperature.

        That keeps its gradients in proportion to those of the loss (Hinton et al., 2015, section 2.1).
        """
        import torch.nn.functional as F

        ours, theirs = (F.log_softmax(scores.float() / temperature, 1) for scores in (outputs, taught))
        counted = targets.flatten() != self.ignored
        ours, theirs = (scores.movedim(1, -1).flatten(0, -2)[counted] for scores in (ours, theirs))
        return temperature**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)

    def named(self, dataset: Dataset) -> Dataset:
        """With the names of the setting, or numbers for names: as many as that says, or as there are in the targets."""
        if dataset.classes:
            return dataset
        if self.classes is None and (count := self._counted(dataset)) is not None:
            return replace(dataset, classes=tuple(map(str, range(count))))
        if self.classes is None and self.counts_classes:
            raise InputError(
                f"How many classes the data set {dataset.name!r} has is not known",
                "its samples are read while a network trains, and it has no attribute 'classes'",
                'give it that, a list of names, or say it: task = { name = "...", classes = 10 }',
            )
        names = self.classes if isinstance(self.classes, tuple) else map(str, range(self.classes or 0))
        return replace(dataset, classes=tuple(names))

    def _counted(self, dataset: Dataset) -> int | None:
        """One more than the largest target of data in memory, or of a Dataset that tells its targets."""
        import torch

        largest = []
        for split in (dataset.train, dataset.test):
            targets = split.targets if isinstance(split, Split) else getattr(split.source, "targets", None)
            found = torch.as_tensor(targets) if isinstance(targets, torch.Tensor | list) else torch.empty(0)
            if found.is_floating_point() or not found.numel():
                return None
            counted = found[found != self.ignored]
            largest.append(int(counted.max()) if counted.numel() else 0)
        return max(largest) + 1

    def check_targets(self, targets: Any, dataset: Dataset) -> None:
        """Whole numbers below the number of classes, where that is known."""
        from torch import Tensor

        if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.is_complex():
            kind = str(targets.dtype) if isinstance(targets, Tensor) else type(targets).__name__
            raise misfit(f"the targets are {kind}, and indices of classes are whole numbers", "make them int64")
        if dataset.classes:
            self._check_range(targets, len(dataset.classes))

    def check(self, outputs: Any, targets: Any, dataset: Dataset) -> None:
        """One score for each class, and one row of scores for each target."""
        found = tuple(outputs.shape)
        classes = len(dataset.classes) or (found[1] if len(found) > 1 else 0)
        wanted = (targets.shape[0], classes, *targets.shape[1:])
        if found != wanted:
            samples = f"{wanted[0]} samples" if targets.dim() == 1 else f"targets of the shape {times(targets.shape)}"
            raise misfit(
                f"there are {classes} classes, so {samples} must give {times(wanted)}, and they give {times(found)}",
                "correct its number of outputs" if len(found) == len(wanted) else "correct the shape of its outputs",
            )
        self._check_range(targets, classes)

    def _check_range(self, targets: Tensor, classes: int) -> None:
        counted = targets[targets != self.ignored]
        wrong = counted[(counted < 0) | (counted >= classes)]
        if wrong.numel():
            raise misfit(
                f"a target is {int(wrong[0])}, which is none of the {classes} classes",
                f"targets go from 0 to {classes - 1}; {self.ignored} stands for what does not count",
            )
