"""One layer's new weight: what goes, what the others become, on which grid they lie, and how its outputs change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune import UnitSet
from prunus.quantization.layers import QuantizedLayer
from prunus.quantization.quantizers import WeightQuantizer, refuse_not_finite
from prunus.quantization.ranges import scale_of_weights
from prunus.reconstruct.least_change import Layer, change, damped, reconstructed, solved, whole_units
from prunus.reconstruct.rounding import nearest, rounded
from prunus.spec import Bits
from prunus.spec.bits import OFF
from prunus.trace.inventory import by_outputs, is_linear


@dataclass(frozen=True)
class LayerError:
    """How much a layer's outputs change on the calibration inputs, as a share of their mean square.

    Attributes:
        layer: its name.
        weights: elements of its weight.
        gone: those that are zero.
        error: after reconstruction.
        magnitude_error: of as many smallest weights set to zero, and the others rounded to nearest where it has fewer
            bits.
        bits: of a weight.
        activation_bits: of the layer's input; what rounding it does is not in the errors.
    """

    layer: str
    weights: int
    gone: int
    error: float
    magnitude_error: float
    bits: int = OFF
    activation_bits: int = OFF


@dataclass(frozen=True)
class LayerTask:
    """What is to be done to a layer.

    units: of its weight, where some may go. count: so many of them go. quantizer: what its weight is rounded for.
    """

    name: str
    layer: Layer
    units: UnitSet | None
    count: int
    quantizer: WeightQuantizer | None


def layer_of(model: nn.Module, name: str) -> Layer:
    """A layer by name. Raises `InputError` where its outputs are not known to be sums over its weights."""
    layer = model.get_submodule(name)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)) or is_linear(layer):
        return layer
    raise InputError(
        f"The layer {name!r} cannot be reconstructed",
        f"it is of type {type(layer).__name__}, and linear layers and convolutions of one or two dimensions can",
        f"protect it (protect = ['output', {name!r}]), and where there are bits, leave it out (ignore = [{name!r}])",
    )


@torch.no_grad()
def reconstruct_layer(task: LayerTask, hessian: Tensor, steps: int, bits: Bits) -> LayerError:
    """Write the layer's new weight; of the surgeon's and magnitude's choice, each solved for, the better.

    hessian: of what it is given (`prunus.reconstruct.least_change.hessians`). bits: how ranges are found.
    """
    layer, quantizer = task.layer, task.quantizer
    weight = by_outputs(layer, layer.weight)
    if quantizer is not None:
        refuse_not_finite(task.name, "its weight", weight)
    groups = hessian.shape[0]
    before = weight.double().reshape(groups, weight.shape[0] // groups, -1)
    after, simple = _best(task, before, hessian, steps, bits)
    weight.copy_(after.weight.reshape(weight.shape))
    if quantizer is not None and after.scale is not None:
        quantizer.set_range(after.scale.flatten(), torch.zeros(()))
    size = max(change(hessian, before, torch.zeros_like(before)), torch.finfo(torch.float64).tiny)
    return LayerError(
        task.name,
        before.numel(),
        int((after.weight == 0).sum()),
        error=change(hessian, before, after.weight) / size,
        magnitude_error=change(hessian, before, simple.weight) / size,
        bits=OFF if quantizer is None else quantizer.bits,
        activation_bits=layer.activation_bits if isinstance(layer, QuantizedLayer) else OFF,
    )


@dataclass(frozen=True)
class _Held:
    """A weight as the layer will hold it. scale: (groups, rows), what a step stands for, where it is rounded."""

    weight: Tensor
    scale: Tensor | None = None


def _best(task: LayerTask, before: Tensor, hessian: Tensor, steps: int, bits: Bits) -> tuple[_Held, _Held]:
    """The new weight, and magnitude's, which is never better."""
    units, safe = task.units, damped(hessian)
    plainly = partial(_held, task.layer.weight.dtype, task.quantizer, bits)
    carefully = partial(plainly, target=before, hessian=safe)

    def error(one: _Held) -> float:
        return change(hessian, before, one.weight)

    if units is None or not task.count:
        simple = plainly(before)
        return min((carefully(before), simple), key=error), simple
    choose = whole_units(units, by_outputs(task.layer, task.layer.weight).shape, partial(by_outputs, task.layer))
    smallest = choose(before.abs(), task.count)
    plain = before.masked_fill(smallest, 0)
    simple, after = plainly(plain), carefully(reconstructed(before, hessian, task.count, choose, steps))
    if error(after) > error(simple):
        after = min((carefully(solved(before, safe, smallest, plain, iterations=1)), simple), key=error)
    return after, simple


def _held(
    kind: torch.dtype,
    quantizer: WeightQuantizer | None,
    bits: Bits,
    weight: Tensor,
    target: Tensor | None = None,
    hessian: Tensor | None = None,
) -> _Held:
    """The weight in the layer's own precision, on its grid if it has one; by least change if it is told of what.

    Half precision rounds as well, and what was solved for then fits less well.
    """
    if quantizer is None:
        return _Held(weight.to(kind).to(weight.dtype))
    scale = scale_of_weights(weight.flatten(0, 1).float(), bits, quantizer.grid).to(weight).reshape(weight.shape[:2])
    if target is None or hessian is None:
        found = nearest(weight, scale, quantizer.grid)
    else:
        found = rounded(target, weight, hessian, weight == 0, scale, quantizer.grid)
    return _Held(found.to(kind).to(weight.dtype), scale)
