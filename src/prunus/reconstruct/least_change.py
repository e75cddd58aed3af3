"""The optimal brain surgeon on one layer: what it is given, summed up, which weights go, and what the others become.

A layer's weight is (groups, rows, d) and its Hessian (groups, d, d), the mean over calibration inputs of x xᵀ, so that
(w - w') H (w - w')ᵀ is the mean squared change of a row's output. All in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunus.errors import InputError, NotFiniteError
from prunus.prune import UnitSet
from prunus.prune.evidence.samples import call
from prunus.prune.precision import sum_type, widened

Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d
"""And whatever else is a linear layer (`prunus.trace.inventory`)."""

INPUTS_AT_ONCE = 32


def hessians(
    model: nn.Module,
    layers: Sequence[Layer],
    batches: Iterable[Any],
    seen: Callable[[Layer, Tensor], Tensor] = lambda _, inputs: inputs,
) -> list[Tensor]:
    """The mean of x xᵀ over all inputs and positions, (groups, d, d) in float64, of every layer.

    seen: from a layer's input to what is looked at of it, of the same shape.
    The model must be in evaluation mode; it runs once over the batches. Raises `InputError` if there are none.
    """
    sums: list[Tensor | None] = [None] * len(layers)
    counts = [0] * len(layers)

    def add(_module: nn.Module, inputs: tuple[Tensor, ...], index: int) -> None:
        given = seen(layers[index], inputs[0].detach())
        parts = torch.split(given, INPUTS_AT_ONCE) if given.numel() else ()
        for part in parts:
            columns = widened(as_columns(layers[index], part))
            found = products(columns)
            total = sums[index]
            sums[index] = found if total is None else total.add_(found)
            counts[index] += columns.shape[-1]

    handles = [layer.register_forward_pre_hook(partial(add, index=index)) for index, layer in enumerate(layers)]
    try:
        with torch.no_grad():
            for inputs in batches:
                call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    for layer, count in zip(layers, counts, strict=True):
        if not count:
            raise InputError(
                f"There are no inputs to reconstruct the layer {_name_of(model, layer)!r} on",
                "it is given none in any of the batches",
                "give at least one batch, and so that every layer runs, or protect the layer (and let bits ignore it)",
            )
    found = [total / count for total, count in zip(sums, counts, strict=True) if total is not None]
    for layer, hessian in zip(layers, found, strict=True):
        if not hessian.isfinite().all():
            raise NotFiniteError(
                f"What the layer {_name_of(model, layer)!r} is given is not finite",
                "it is NaN or infinite for some of the calibration inputs",
                "look for such values in the inputs and in the weights of the layers before",
            )
    return found


def _name_of(model: nn.Module, layer: nn.Module) -> str:
    names: dict[int, str] = {id(module): name for name, module in model.named_modules()}
    return names[id(layer)]


def products(columns: Tensor) -> Tensor:
    """x xᵀ summed over positions, (groups, d, d) in float64; products are made of shares of the largest, which keeps
    them within float32, in which they take half of the time.
    """
    kind = sum_type(columns.device)
    largest = columns.abs().max().clamp_min(torch.finfo(columns.dtype).tiny)
    shares = columns / largest
    return (shares @ shares.transpose(-2, -1)).to(kind) * largest.to(kind).square()


def as_columns(layer: Layer, inputs: Tensor) -> Tensor:
    """(groups, d, positions): all that a row of the layer's weight is multiplied with.

    inputs: as the layer is given them, (n, ...).
    """
    if not isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        return inputs.reshape(1, -1, inputs.shape[-1]).transpose(1, 2)
    if isinstance(layer, nn.Conv1d):
        inputs = inputs.unsqueeze(-2)
    flat = (1,) * (2 - len(layer.kernel_size))
    kernel, stride = flat + layer.kernel_size, flat + layer.stride
    dilation = flat + layer.dilation
    before = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, before, mode=mode) if any(before) else inputs
    columns = F.unfold(padded, kernel, dilation=dilation, stride=stride)
    grouped = columns.reshape(len(inputs), layer.groups, -1, columns.shape[-1])
    return grouped.permute(1, 2, 0, 3).reshape(layer.groups, grouped.shape[2], -1)


Choose = Callable[[Tensor, int], Tensor]
"""From saliencies of the weight's shape and a count of units to a mask of what goes, True where it goes."""


def whole_units(units: UnitSet, shape: Sequence[int], turned: Callable[[Tensor], Tensor] = lambda held: held) -> Choose:
    """Choose whole units of a layer's weight; what each is worth is the sum over its weights.

    Args:
        units: of the one weight.
        shape: of the weight with its outputs first.
        turned: from there to how the layer holds it, and back.
    """
    ((name, arrange),) = units.scored.items()
    spread = units.masked[name]

    def choose(saliency: Tensor, count: int) -> Tensor:
        scores = arrange(turned(saliency.reshape(tuple(shape)))).sum(1)
        return ~turned(spread(~units.lowest(scores, count))).reshape(saliency.shape)

    return choose


DAMPING = 0.01
"""Added to the Hessian's diagonal, as a share of its mean: few inputs do not determine all weights."""
ITERATIONS = 12
TOLERANCE = 1e-10


def damped(hessian: Tensor) -> Tensor:
    """The Hessian with its diagonal raised; inputs that never come get 1."""
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    mean = diagonal.mean(-1, keepdim=True)
    raised = (DAMPING * mean).expand_as(diagonal) + (mean == 0)
    return hessian + torch.diag_embed(raised)


def change(hessian: Tensor, before: Tensor, after: Tensor) -> float:
    """The mean squared change of the layer's outputs, summed over its rows."""
    difference = before - after
    return float(((difference @ hessian) * difference).sum())


def reconstructed(
    weight: Tensor, hessian: Tensor, count: int, choose: Choose, steps: int = 4, iterations: int = ITERATIONS
) -> Tensor:
    """The weight with `count` units zero and the others moved so that outputs change least.

    In each of `steps` rounds those of lowest saliency w² / (2 [H⁻¹]) go, and the rest is solved for. Source: Hassibi &
    Stork, "Second order derivatives for network pruning: optimal brain surgeon", 1993, equation 5; on layers, Frantar &
    Alistarh, "Optimal brain compression", 2022.
    """
    counts = [round(count * step / steps) for step in range(1, steps + 1)]
    *_, last = removal_path(weight, hessian, counts, choose, iterations)
    return last


def removal_path(
    weight: Tensor, hessian: Tensor, counts: Sequence[int], choose: Choose, iterations: int = ITERATIONS
) -> Iterator[Tensor]:
    """The weight with so many units zero, for each of the rising counts; each goes on from the one before."""
    safe = damped(hessian)
    spread = torch.cholesky_inverse(torch.linalg.cholesky(safe)).diagonal(dim1=-2, dim2=-1)[:, None, :]
    now, gone = weight.clone(), torch.zeros_like(weight, dtype=torch.bool)
    for step, count in enumerate(counts, 1):
        saliency = (now.square() / (2 * spread)).masked_fill(gone, -torch.inf)
        gone = choose(saliency, count)
        now = solved(weight, safe, gone, now.masked_fill(gone, 0), iterations * (1 + (step == len(counts))))
        yield now


def solved(weight: Tensor, hessian: Tensor, gone: Tensor, start: Tensor, iterations: int) -> Tensor:
    """The remaining weights that change the outputs least, by conjugate gradients for all rows at once.

    Every iteration brings every row nearer; with one weight gone the result is the closed form. Preconditioned by the
    Hessian's diagonal.
    """
    scale = hessian.diagonal(dim1=-2, dim2=-1)[:, None, :]
    now = start.clone()
    residual = ((weight - now) @ hessian).masked_fill(gone, 0)
    first = residual.square().sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    along = residual / scale
    descent = (residual * along).sum(-1, keepdim=True)
    for _ in range(iterations):
        moved = (along @ hessian).masked_fill(gone, 0)
        step = descent / (along * moved).sum(-1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
        now += step * along
        residual -= step * moved
        if float((residual.square().sum(-1, keepdim=True) / first).max()) < TOLERANCE**2:
            break
        ahead = residual / scale
        further = (residual * ahead).sum(-1, keepdim=True)
        along = ahead + further / descent.clamp_min(torch.finfo(weight.dtype).tiny) * along
        descent = further
    return now
