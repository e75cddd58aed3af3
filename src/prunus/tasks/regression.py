"""Regression: every input has numbers to be found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from prunus.data.dataset import Dataset, times
from prunus.spec.metric import Metric
from prunus.tasks.multilabel import width_of
from prunus.tasks.task import Measure, Task, misfit

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Task):
    """Numbers: outputs and targets (n,), (n, values) or of any one shape, such as images; mean squared error, R².

    Outputs (n, 1) and targets (n,) go together. R² is the mean over the values. Beside it: the root of the mean squared
    error and the mean absolute error, in the unit of the targets.
    """

    metric: ClassVar[Metric] = Metric(name="R²", unit="", margin=0.01)
    distils: ClassVar[bool] = True

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        import torch.nn.functional as F

        return F.mse_loss(outputs.reshape(targets.shape), targets.to(outputs.dtype))

    def distillation(self, outputs: Tensor, taught: Tensor, targets: Tensor, temperature: float) -> Tensor:  # noqa: ARG002
        """Mean squared difference; a temperature means nothing here."""
        import torch.nn.functional as F

        return F.mse_loss(outputs.float(), taught.float())

    def measures(self, dataset: Dataset) -> Mapping[str, Measure]:  # noqa: ARG002
        """Measures of torchmetrics."""
        from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score

        return {"R²": R2Score(), "RMSE": MeanSquaredError(squared=False), "mean absolute error": MeanAbsoluteError()}

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A row of values for each input; a single one as it is."""
        found, wanted = (tensor.reshape(len(targets), -1).double() for tensor in (outputs, targets))
        return (found, wanted) if wanted.shape[1] > 1 else (found[:, 0], wanted[:, 0])

    def output_size(self, dataset: Dataset) -> int:
        """As many as each target has."""
        return width_of(self, dataset)

    def check_targets(self, targets: Any, dataset: Dataset) -> None:  # noqa: ARG002
        """One tensor of numbers."""
        from torch import Tensor

        if not isinstance(targets, Tensor) or not targets.dim():
            raise misfit(f"the targets are of type {type(targets).__name__}", "give one tensor (samples, values)")

    def check(self, outputs: Any, targets: Any, dataset: Dataset) -> None:  # noqa: ARG002
        """As many numbers as there are in the targets."""
        if outputs.shape[:1] != targets.shape[:1] or outputs.numel() != targets.numel():
            why = f"targets have the shape {times(targets.shape)}, and the outputs {times(outputs.shape)}"
            raise misfit(why, "correct its number of outputs")
