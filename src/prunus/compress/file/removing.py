"""Zeros for each layer alone: the weights that stay make up for those that go, at several rates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunus.compress.file.layers import WeightedLayer
from prunus.compress.file.network import Array
from prunus.errors import InputError
from prunus.prune import PATTERNS
from prunus.prune.layers import PrunableLayer
from prunus.prune.patterns.pattern import LayerPattern
from prunus.reconstruct.choices import RATES
from prunus.reconstruct.least_change import change, removal_path, whole_units
from prunus.spec import Part, make


@dataclass(frozen=True)
class ZerosPattern:
    """What goes as one, and the rates at which it can: `element`, `1x4` (blocks) or `2:4` (N of M stay)."""

    pattern: LayerPattern
    rates: tuple[float, ...]

    @classmethod
    def of(cls, text: str) -> ZerosPattern:
        """Read `element`, `1x4` or `2:4`. Raises `InputError` for anything else.

        >>> ZerosPattern.of("2:4").rates
        (0.5,)
        """
        if block := re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text):
            return cls(_made("block", rows=int(block[1]), columns=int(block[2])), RATES)
        if kept := re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", text):
            n, m = int(kept[1]), int(kept[2])
            if n < m:
                return cls(_made("nm", n=n, m=m), (1 - n / m,))
        if text != "element":
            raise InputError(f"There is no pattern {text!r}", "", "write element, blocks such as 1x4, or 2:4")
        return cls(_made("element"), RATES)


def _made(name: str, **settings: int) -> LayerPattern:
    made = make(PATTERNS, Part.model_validate({"name": name, **settings}))
    assert isinstance(made, LayerPattern)
    return made


@dataclass(frozen=True)
class Thinned:
    """A layer's weight at one rate, on the disk.

    rate: the share of its weights that is zero. error: the change of the layer's outputs on the calibration inputs, as
    a share of their mean square.
    """

    rate: float
    error: float
    file: Path

    def weight(self) -> Array:
        """As the ONNX file has it."""
        array: Array = np.load(self.file, allow_pickle=False)
        return array


def thin_out(
    layer: WeightedLayer, weight: Array, gram: Tensor, pattern: ZerosPattern, folder: Path
) -> tuple[Thinned, ...]:
    """The weight at each rate, in an empty folder. Raises `InputError` for a layer that the pattern cannot divide."""
    original = layer.read(weight)
    before = original.reshape(layer.groups, layer.shape[0] // layer.groups, -1)
    units = pattern.pattern.units_of(PrunableLayer(layer.name, layer.name, output=False), original)
    size = max(change(gram, before, torch.zeros_like(before)), torch.finfo(torch.float64).tiny)
    counts, choose = [round(rate * units.units) for rate in pattern.rates], whole_units(units, layer.shape)
    found = []
    for rate, after in zip(pattern.rates, removal_path(before, gram, counts, choose), strict=True):
        array = layer.written(after.reshape(layer.shape))
        file = folder / f"{rate:g}.npy"
        np.save(file, array)
        kept = layer.read(array).reshape(before.shape)
        found.append(Thinned(float((kept == 0).double().mean()), change(gram, before, kept) / size, file))
    return tuple(found)
