"""Language models: every token is followed by one of a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.data.dataset import Dataset
from prunus.spec.metric import Metric
from prunus.tasks.cross_entropy import CrossEntropy
from prunus.tasks.task import Measure

if TYPE_CHECKING:
    from torch import Tensor

TOKENS, MASK = "input_ids", "attention_mask"
"""What loaders of transformers call token ids, and the mask that is 0 where there is padding."""


class LanguageModel(CrossEntropy):
    """The next token of each: outputs (n, length, vocabulary), targets (n, length), at each place what comes next.

    Where a loader yields one dictionary as transformers do, its `labels` (or, without them, its `input_ids`) stand at
    the places of the inputs and are shifted by one here. Targets of -100, those at which the `attention_mask` is 0, and
    those that are `padding` do not count. Perplexity; beside it, the accuracy of the most likely token.
    """

    padding: int | None = None

    counts_classes: ClassVar[bool] = False
    metric: ClassVar[Metric] = Metric(name="perplexity", unit="", higher_is_better=False, margin=2.0, relative=True)

    def batch(self, batch: Any) -> tuple[Any, Any]:
        """Inputs, and at each place the token that follows."""
        import torch

        if isinstance(batch, Mapping) and (self.targets in batch or TOKENS in batch):
            labels = batch.get(self.targets, batch.get(TOKENS))
            inputs = {key: value for key, value in batch.items() if key != self.targets}
            labels = labels.masked_fill(inputs[MASK] == 0, self.ignored) if MASK in inputs else labels
            targets = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], self.ignored)], 1)
        else:
            inputs, targets = super().batch(batch)
        return inputs, targets if self.padding is None else targets.masked_fill(targets == self.padding, self.ignored)

    def _counted(self, dataset: Dataset) -> int | None:  # noqa: ARG002
        """Nothing: a vocabulary has tokens that a text has not."""
        return None

    def chosen(self, outputs: Any) -> Tensor:
        """Scores (n, vocabulary, length), as cross-entropy takes them."""
        scores: Tensor = super().chosen(outputs)
        return scores.movedim(-1, 1) if scores.dim() > 1 else scores

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:  # noqa: ARG002  # no classes have to be known
        """Perplexity, of torchmetrics, and the share of tokens that were the most likely."""
        from torchmetrics.text import Perplexity

        return {"perplexity": Perplexity(self.ignored), "accuracy of tokens": TokenAccuracy(self.ignored)}

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n, length, vocabulary)."""
        return outputs.movedim(1, -1).float(), targets


class TokenAccuracy:
    """The share of counted tokens that had the highest score."""

    def __init__(self, ignored: int) -> None:
        self.ignored, self.right, self.count = ignored, 0, 0

    def update(self, scores: Tensor, targets: Tensor) -> None:
        """scores: (n, length, vocabulary)."""
        counted = targets != self.ignored
        self.right += int((scores.argmax(-1) == targets)[counted].sum())
        self.count += int(counted.sum())

    def compute(self) -> float:
        """A share."""
        return self.right / self.count if self.count else float("nan")
