"""Timing a network layer by layer on a runtime: every kind of layer alone, at a grid of widths, and the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import nn

from prunus.compress.costs import LayerTimes, MeasuredCosts, WeightSizes, grid_of, points_of, weight_sizes
from prunus.compress.layers import Sizes, TimedLayer, timed_layers, write_layer
from prunus.compress.widths import LEVELS, GroupWidths, Widths, uniform, whole
from prunus.export import write_safetensors
from prunus.measure import NetworkFiles, Variant, measure_latency, runtime_of, write_for
from prunus.measure.stopwatch import CopyOf, Place, Stopwatch

ROUNDS, WARMUP = 30, 3
RUNS = 2 * (ROUNDS + WARMUP)
"""How often each variant of a layer runs."""

WHOLE_AT = (0.5, 0.25)
"""Even shares of the widths at which the whole network is timed beside the unpruned one."""

Cut = Callable[[Widths], nn.Module]
Tell = Callable[[str], None]


def measure_costs(
    model: nn.Module, inputs: Any, groups: Sequence[GroupWidths], cut: Cut, watch: Stopwatch, tell: Tell, seconds: float
) -> MeasuredCosts:
    """Time all layers and the whole network where the stopwatch times.

    cut: gives the network at some widths; what it computes does not matter. seconds: that this should take at most;
    where layers take long, each is timed at fewer widths.
    """
    layers, sizes = timed_layers(model, inputs), weight_sizes(model, groups)
    times = _time_layers(layers, sizes, groups, watch.place, tell, seconds)
    found = MeasuredCosts(layers, sizes, times)
    measured: list[tuple[Widths, float]] = []
    for share in WHOLE_AT:
        widths = uniform(groups, share)
        tell(f"timing the whole network at {share:g} of its width")
        measured.append((widths, watch.steady_ms(cut(widths))))
    return found.with_rest([(whole(groups), watch.unpruned_ms), *measured])


def _time_layers(
    layers: Sequence[TimedLayer],
    sizes: dict[str, WeightSizes],
    groups: Sequence[GroupWidths],
    place: Place,
    tell: Tell,
    seconds: float,
) -> tuple[LayerTimes, ...]:
    """A table for each layer; layers of one kind that are narrowed alike share theirs."""
    at_full = {}
    for number, (kind, layer) in enumerate({layer.kind: layer for layer in layers}.items()):
        tell(f"timing layers: {number + 1}, {layer.weight}")
        at_full[kind] = _times(layer, [layer.sizes], place)[0]
    levels = _levels(at_full.values(), seconds)
    tables: dict[Any, LayerTimes] = {}
    found = []
    for number, layer in enumerate(layers):
        axes = grid_of(sizes[layer.weight], groups, levels)
        key = layer.kind, axes
        if key not in tables:
            tell(f"timing layer {number + 1} of {len(layers)} at {math.prod(map(len, axes))} widths: {layer.weight}")
            values = _times(layer, points_of(axes, layer.sizes), place)
            tables[key] = LayerTimes(axes, np.array(values).reshape(len(axes[0]), len(axes[1])))
        found.append(tables[key])
    return tuple(found)


def _levels(full_ms: Any, seconds: float) -> int:
    """At how many even widths layers are timed, so that all of it takes so many seconds at most."""
    each = sum(full_ms) / 1e3 * RUNS
    for levels in (LEVELS, LEVELS // 2):
        mean_share = ((levels + 1) / (2 * levels)) ** 2
        if each * levels**2 * mean_share <= seconds:
            return levels
    return 2


def _times(layer: TimedLayer, points: Sequence[Sizes], place: Place) -> list[float]:
    """Milliseconds of one run at each of the sizes: lower quartiles, since what disturbs makes runs longer."""
    with TemporaryDirectory(prefix="prunus-layers-") as folder:
        variants = dict(_variants(layer, points, place, Path(folder)))
        samples = measure_latency(
            variants,
            runtime=place.runtime,
            batch_size=place.batch_size * layer.rows,
            threads=place.threads,
            rounds=ROUNDS,
            warmup=WARMUP,
        )
    by_name: dict[str, list[float]] = {name: [] for name in variants}
    for sample in samples:
        by_name[sample.variant].append(sample.latency_ms)
    return [float(np.percentile(by_name[str(number)], 25)) for number in range(len(points))]


def _variants(layer: TimedLayer, points: Sequence[Sizes], place: Place, folder: Path) -> Iterator[tuple[str, Variant]]:
    import torch

    of_tensors = runtime_of(place.runtime).file_format == "safetensors"
    for number, sizes in enumerate(points):
        module, shape = layer.at(sizes)
        file = folder / f"{number}"
        if of_tensors:
            written = write_safetensors(module, file / "model.safetensors")
        else:
            written = write_layer(module, shape, file / "model.onnx")
        files = NetworkFiles(
            module,
            torch.zeros(2, *shape),
            file,
            written=(written,),
            batch_sizes=(place.batch_size * layer.rows,),
            threads=(place.threads,),
        )
        write_for(place.runtime, files)
        paths = {each.format: each.path for each in files.written.values()}
        yield str(number), Variant(input_shape=shape, files=paths, builder=CopyOf(module))
