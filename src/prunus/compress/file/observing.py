"""What layers are given on the calibration inputs, summed up: Gram matrices, and the range of every tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from prunus.compress.file.layers import WeightedLayer
from prunus.compress.file.network import Array, Feed, FileNetwork, run_over
from prunus.compress.file.quantising import Range, Scale, ranged_tensors
from prunus.errors import NotFiniteError
from prunus.reconstruct.least_change import products

SAMPLES = 2**15
"""So many values of a tensor are kept at most, evenly spread over runs, to choose its range by."""
SHARES = tuple(share / 20 for share in range(20, 3, -1))
"""The shares of the least and of the largest value that are tried as ends of the range."""


@dataclass(frozen=True)
class Observed:
    """What was seen of layers and tensors.

    grams: layer -> the mean of x xᵀ, (groups, d, d) in float64. ranges: tensor -> the range in which it is best
    rounded. positions: layer -> how often its weight is used in one run.
    """

    grams: Mapping[str, Tensor]
    ranges: Mapping[str, Range]
    positions: Mapping[str, float]


@dataclass
class _Values:
    """The least and the largest value of a tensor, and some of those between."""

    low: float = np.inf
    high: float = -np.inf
    samples: list[Array] = field(default_factory=list)

    def add(self, array: Array, runs: int) -> None:
        if not array.size:
            return
        self.low, self.high = min(self.low, float(array.min())), max(self.high, float(array.max()))
        step = max(1, array.size * runs // SAMPLES)
        self.samples.append(array.ravel()[::step].copy())

    def range(self) -> Range:
        if not self.samples:
            return (0.0, 0.0)
        return least_error_range(self.low, self.high, np.concatenate(self.samples))


def least_error_range(low: float, high: float, samples: Array) -> Range:
    """The range in which samples are rounded to eight bits with the least squared error, its ends chosen in turn.

    >>> least_error_range(-1.0, 1.0, np.linspace(-1, 1, 1000))
    (-1.0, 1.0)
    """

    def error(tried: Range) -> float:
        return _rounding_error(samples, Scale.of(tried))

    _, above = min(((low, high * share) for share in SHARES), key=error)
    return min(((low * share, above) for share in SHARES), key=error)


def _rounding_error(samples: Array, step: Scale) -> float:
    whole = np.clip(np.rint(samples / step.scale) + step.zero, 0, 255)
    return float(np.square((whole - step.zero) * step.scale - samples).mean())


def observe(
    network: FileNetwork, layers: Sequence[WeightedLayer], feeds: Sequence[Feed], progress: Callable[[int, int], None]
) -> Observed:
    """Run the network once on every input, and look at products; memory holds sums, and the tensors of one run.

    Raises `NotFiniteError` that names a layer.
    """
    layers = [layer for layer in layers if layer.is_product]
    tensors = ranged_tensors(layers, network.proto)
    names = tuple(dict.fromkeys([*tensors, *(layer.output for layer in layers)]))
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys((layer.name for layer in layers), 0)
    positions = dict.fromkeys(counts, 0.0)
    values = {name: _Values() for name in tensors}
    for number, arrays in enumerate(run_over(network.giving(names), feeds), 1):
        given = dict(zip(names, arrays, strict=True))
        for name in tensors:
            values[name].add(given[name], len(feeds))
        for layer in layers:
            _check(layer, given[layer.input])
            columns = layer.columns(given[layer.input], len(feeds))
            found = products(columns)
            sums[layer.name] = sums[layer.name].add_(found) if layer.name in sums else found
            counts[layer.name] += columns.shape[-1]
            positions[layer.name] += given[layer.output].size / layer.shape[0] / len(feeds)
        progress(number, len(feeds))
    grams = {name: total / max(counts[name], 1) for name, total in sums.items()}
    return Observed(grams, {name: one.range() for name, one in values.items()}, positions)


def _check(layer: WeightedLayer, array: Array) -> None:
    if not np.isfinite(array).all():
        raise NotFiniteError(
            f"What the layer {layer.name!r} is given is not finite",
            "it is NaN or infinite for some of the calibration inputs",
            "look for such values in the inputs and in the weights of the layers before",
        )
