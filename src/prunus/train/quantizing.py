"""When a recipe's bits take effect while a network trains: from which epoch on it computes with rounded numbers."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from prunus.errors import InputError
from prunus.prune.evidence import Samples
from prunus.quantization import Precisions, attached, calibrate, quantized_layers
from prunus.spec import Bits
from prunus.train.replicas import of_first


class QuantizationEvents:
    """Has a network round from the epoch that a recipe's bits say, in place.

    The layers have their quantisers from the beginning, so that optimisers and checkpoints know the learned ranges.
    They let everything pass until then.
    """

    def __init__(self, model: nn.Module, example_inputs: Any, bits: Bits, epochs: int, samples: Samples) -> None:
        self.model, self.bits, self.epochs, self.samples = model, bits, epochs, samples
        self.precisions: Precisions = attached(model, example_inputs, bits)

    @property
    def begin(self) -> int:
        """The epoch after which the network rounds."""
        return self.epochs if self.bits.when == "post" else round(self.bits.begin * self.epochs)

    def acts_after(self, epoch: int) -> bool:
        """Whether anything happens once so many epochs are over."""
        return epoch == self.begin or (epoch == self.epochs and self.bits.when == "both")

    def after_epoch(self, epoch: int) -> None:
        """Find ranges where it is time."""
        if not self.acts_after(epoch):
            return
        batches = [inputs for inputs, _ in self.samples.batches]
        calibrate(self.model, batches, self.bits, "all" if epoch == self.begin else "activations")
        of_first(buffer for layer in quantized_layers(self.model).values() for buffer in layer.buffers())


def refuse_wrapped(model: nn.Module, bits: Bits) -> None:
    """Raises `InputError` for a network whose replicas would not learn the ranges together."""
    if isinstance(model, DistributedDataParallel) and bits.when != "post":
        raise InputError(
            "The network is behind DistributedDataParallel already",
            "that would not see the ranges that its layers are to learn",
            "make the pruner of the bare network first, and DistributedDataParallel of it afterwards",
        )
