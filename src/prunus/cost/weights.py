"""Counting what is zero in the weights that a run used."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from torch import Tensor

from prunus.cost.origins import Origin
from prunus.cost.product import Factor
from prunus.cost.recorder import Call

_ONLY_WEIGHT = re.compile(r"(^|\.)(weight|weight_orig|weight_[gv]|parametrizations\.weight\.original\d*)$")
"""A module's one weight, plain or reparametrised by torch's means: the layer goes by the module's name alone."""


@dataclass(frozen=True)
class WeightCount:
    """A weight as an operation used it; equal `key`, same weight."""

    key: tuple[object, ...]
    weights: int
    nonzero: int
    units: int
    empty_units: int


class WeightCounter:
    """Counts each weight once, however often it is used."""

    def __init__(self) -> None:
        self._counted: dict[tuple[object, ...], tuple[Tensor, WeightCount]] = {}

    def count(self, factor: Factor, origin: Origin) -> WeightCount:
        """Elements, non-zero ones, output rows and empty ones, of a factor that was made from a model's constant."""
        tensor = factor.tensor
        key = (origin, tensor.shape, tensor.stride(), tensor.storage_offset(), factor.summed)
        place = (*key, tensor.data_ptr(), tensor._version)
        if place not in self._counted:  # keeps the tensor, so that its place in memory stays its own
            self._counted[place] = (tensor, _count(factor, key))
        return self._counted[place][1]


def _count(factor: Factor, key: tuple[object, ...]) -> WeightCount:
    tensor = _unexpanded(factor)
    nonzero = int(tensor.count_nonzero())
    units = math.prod(size for dim, size in enumerate(tensor.shape) if dim not in factor.summed)
    empty = 0
    if nonzero < tensor.numel():
        empty = units - int((tensor != 0).any(dim=factor.summed).count_nonzero())
    return WeightCount(key, tensor.numel(), nonzero, units, empty)


def _unexpanded(factor: Factor) -> Tensor:
    """The elements that are in memory: a dimension of stride 0 repeats them."""
    tensor = factor.arranged
    for dimension, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[dimension] > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


def layer_name(call: Call) -> str:
    """The name that a user knows a call's layer by: the module's where it has one weight, else the parameter's.

    A weight that goes by several names (tied layers) is named after the module that is running.
    """
    if call.origin is None:
        return call.module
    prefix = f"{call.module}." if call.module else ""
    names = call.origin.names
    name = next((name for name in names if name.rpartition(".")[0] == call.module), None)
    name = name or next((name for name in names if name.startswith(prefix)), names[0])
    return _ONLY_WEIGHT.sub("", name) or name
