"""Rounding to a grid of integers, and the gradients that go straight through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The integers that a number is rounded to.

    Weights take both signs and as many below zero as above, so that a change of sign, as a normalisation with a
    negative factor brings, stays on the grid. Activations begin at 0, and what stands for zero is their zero point.

    >>> Grid.of_weights(8), Grid.of_activations(4)
    (Grid(lowest=-127, highest=127), Grid(lowest=0, highest=15))
    """

    lowest: int
    highest: int

    @classmethod
    def of_weights(cls, bits: int) -> Grid:
        """Symmetric: -127 to 127 for 8 bits, -1 to 1 for 2."""
        highest = 2 ** (bits - 1) - 1
        return cls(-highest, highest)

    @classmethod
    def of_activations(cls, bits: int) -> Grid:
        """0 to 255 for 8 bits."""
        return cls(0, 2**bits - 1)


def to_integers(values: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """The integers of the grid that stand for the values, in their floating-point type.

    round(value / scale) + zero point, ties to even, what lies outside at the nearest end: what ONNX's QuantizeLinear
    is defined to do, bit for bit. torch's own operation multiplies by 1 / scale, and rounds every sixth tie otherwise.

    Args:
        values: of any shape.
        scale: above zero, broadcast against the values.
        zero_point: a whole number of the grid, broadcast as well.
        grid: the integers.

    >>> to_integers(torch.tensor([-0.3, 0.25, 0.75, 9.0]), torch.tensor(0.5), torch.tensor(1.0), Grid(0, 3))
    tensor([0., 1., 3., 3.])
    """
    return torch.round(values / scale).add_(zero_point).clamp_(grid.lowest, grid.highest)


def from_integers(integers: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """The values that integers stand for: (integer - zero point) x scale, as ONNX's DequantizeLinear."""
    return (integers - zero_point) * scale


class _FakeQuantize(torch.autograd.Function):
    """Forward as the integers would have it. Backward as `fake_quantize` says."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, factor: float) -> Tensor:
        steps = to_integers(values, scale, zero_point, grid).sub_(zero_point)
        ctx.save_for_backward(values, scale, zero_point, steps)
        ctx.grid, ctx.factor = grid, factor
        return steps * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        values, scale, zero_point, steps = ctx.saved_tensors
        ratio = values / scale
        inside = (ratio >= ctx.grid.lowest - zero_point) & (ratio <= ctx.grid.highest - zero_point)
        of_scale = None
        if ctx.needs_input_grad[1]:
            by_scale = gradient * torch.where(inside, steps - ratio, steps)
            of_scale = by_scale.sum_to_size(scale.shape) * ctx.factor
        return gradient * inside, of_scale, None, None, None


def fake_quantize(values: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, factor: float = 1.0) -> Tensor:
    """Round to the grid and go back to numbers, so that a network computes with what its integers will stand for.

    Gradients are those of Learned Step Size Quantization (Esser et al., 2020, arXiv:1902.08153, equations 2 and 3). Of
    a value, straight through (Bengio et al., 2013) where it lies on the grid's range, and nothing outside. Of the
    scale, round(v / s) - v / s inside and the grid's end outside, times `factor`.

    Args:
        values: of any shape.
        scale: above zero, broadcast against the values.
        zero_point: a whole number of the grid, broadcast as well; it is not learned, so that zero stays on the grid.
        grid: the integers.
        factor: of the scale's gradient; the paper takes 1 / sqrt(values per scale x highest step).

    >>> fake_quantize(torch.tensor([-0.3, 0.2, 9.0]), torch.tensor(0.5), torch.tensor(0.0), Grid(-1, 1))
    tensor([-0.5000,  0.0000,  0.5000])
    """
    found: Tensor = _FakeQuantize.apply(values, scale, zero_point, grid, factor)
    return found
