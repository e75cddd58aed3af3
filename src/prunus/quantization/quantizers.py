"""What rounds one tensor of a layer while the network runs: its weight, or its input."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.quantization.ranges import scale_of_activations, scale_of_weights
from prunus.quantization.rounding import Grid, fake_quantize, to_integers
from prunus.spec import Bits


class Quantizer(nn.Module):
    """Lets a tensor pass as it is until a range is found, and rounds it to its grid from then on.

    Where the range is learned, the scale is the one that was found times e to the power of a parameter that begins at
    0: it stays above zero, an optimiser's step changes it by a share of itself (Trained Quantization Thresholds, Jain
    et al., 2020, arXiv:1903.08066), and weight decay draws it to what was found.

    bits: of the tensor. learned: whether there is such a parameter. shape: of the scale.
    """

    found_scale: Tensor
    zero_point: Tensor
    active: Tensor

    def __init__(self, bits: int, grid: Grid, *, learned: bool, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.bits, self.grid, self.is_active = bits, grid, False
        self.register_buffer("found_scale", torch.ones(shape))
        self.register_buffer("zero_point", torch.zeros(()))
        self.register_buffer("active", torch.zeros((), dtype=torch.bool))
        self.log_ratio = nn.Parameter(torch.zeros(shape)) if learned else None

    @property
    def scale(self) -> Tensor:
        """What a step of the grid stands for."""
        return self.found_scale if self.log_ratio is None else self.found_scale * self.log_ratio.exp()

    @torch.no_grad()
    def set_range(self, scale: Tensor, zero_point: Tensor) -> None:
        """Round from now on, with this scale."""
        self.found_scale.copy_(scale)
        self.zero_point.copy_(zero_point)
        if self.log_ratio is not None:
            self.log_ratio.zero_()
        self.active.fill_(True)
        self.is_active = True

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.is_active = bool(self.active)

    def _rounded(self, values: Tensor, scale: Tensor, per_scale: int) -> Tensor:
        factor = 1 / math.sqrt(max(per_scale, 1) * self.grid.highest)
        widened = values if values.dtype == torch.float64 else values.float()
        return fake_quantize(widened, scale, self.zero_point, self.grid, factor).to(values.dtype)


class WeightQuantizer(Quantizer):
    """Rounds a weight (outputs, ...) with a scale for each output and zero for zero."""

    def __init__(self, bits: int, outputs: int, *, learned: bool = False) -> None:
        super().__init__(bits, Grid.of_weights(bits), learned=learned, shape=(outputs,))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, of the same shape."""
        if not self.is_active:
            return weight
        return self._rounded(weight, self._column(weight), weight[0].numel())

    def integers(self, weight: Tensor) -> Tensor:
        """The weight's integers, int8."""
        return to_integers(weight.detach().float(), self._column(weight), self.zero_point, self.grid).to(torch.int8)

    @torch.no_grad()
    def find_range(self, name: str, weight: Tensor, bits: Bits) -> None:
        """Lay the grid over a weight's values. Raises `InputError` with the layer's name where one is not finite."""
        rows = weight.detach().float().flatten(1)
        refuse_not_finite(name, "its weight", rows)
        self.set_range(scale_of_weights(rows, bits, self.grid), torch.zeros(()))

    def _column(self, weight: Tensor) -> Tensor:
        return self.scale.reshape(-1, *(1,) * (weight.dim() - 1))


class InputQuantizer(Quantizer):
    """Rounds a layer's input with one scale and one zero point."""

    def __init__(self, bits: int, *, learned: bool = False) -> None:
        super().__init__(bits, Grid.of_activations(bits), learned=learned, shape=())

    def forward(self, values: Tensor) -> Tensor:
        """(n, ...) of the same shape."""
        if not self.is_active:
            return values
        return self._rounded(values, self.scale, values[:1].numel())

    def error(self, values: Tensor) -> Tensor:
        """What rounding adds to the values, also while it lets everything pass."""
        return self._rounded(values, self.scale, values[:1].numel()) - values

    @torch.no_grad()
    def find_range(self, name: str, values: Tensor, bits: Bits) -> None:
        """Lay the grid over values (n,). Raises `InputError` with the layer's name where one is not finite."""
        refuse_not_finite(name, "its input", values)
        self.set_range(*scale_of_activations(values.float(), bits, self.grid))


def refuse_not_finite(name: str, what: str, values: Tensor) -> None:
    """Raises `InputError` where there is an infinity or a NaN, for which no grid has a place."""
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            f"The layer {name!r} cannot be quantised",
            f"{what} has values that are not finite",
            "look at the training, which has diverged, or at the calibration inputs",
        )
