"""The networks that are made of a file: each kind as bold as the margin allows, judged on the inputs that choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import numpy_helper

from prunus.compress.file.agreement import Agreement, Outputs, is_within
from prunus.compress.file.inputs import InputParts
from prunus.compress.file.layers import WeightedLayer, large_enough
from prunus.compress.file.network import FileNetwork, run_over
from prunus.compress.file.observing import Observed
from prunus.compress.file.progress import Steps
from prunus.compress.file.quantising import quantised
from prunus.compress.file.removing import Thinned, ZerosPattern, thin_out
from prunus.compress.file.search import PRICES, LayerChoices, at_price, by_harm, first_that_holds
from prunus.compress.timing import Tell
from prunus.errors import InputError
from prunus.report.statistics import Interval

if TYPE_CHECKING:
    import onnx

HARM_INPUTS = 6
"""Calibration inputs on which each layer's effect on the outputs is measured."""
HARM_RATE = 0.7
"""The rate of zeros at which it is, or the next one above."""
LEFT_OUT = tuple(step / 16 for step in range(17))
"""The shares of layers, the most harmful first, that are left out where not all bear it."""


@dataclass(frozen=True)
class Change:
    """What is done to a network.

    kind: such as `zeros+int8`. zeros: layer -> its weight. integer: layers that compute on integers. rounded: those
    that only have weights of eight bits.
    """

    kind: str
    zeros: Mapping[str, Thinned] = field(default_factory=dict)
    integer: frozenset[str] = frozenset()
    rounded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Tried:
    """A network that was made. agreement: with the original on the inputs that choose. holds: within the margin."""

    change: Change
    agreement: Interval
    holds: bool


@dataclass(frozen=True)
class Candidates:
    """Makes and judges networks.

    layers: that may change. originals: the outputs of the file as it was on the inputs that choose. margin: in points.
    bits: of the weights of layers on integers. folder: for weights while they are chosen among.
    """

    network: FileNetwork
    layers: tuple[WeightedLayer, ...]
    observed: Observed
    parts: InputParts
    agreement: Agreement
    originals: Sequence[Outputs]
    margin: float
    pattern: ZerosPattern
    bits: int
    folder: Path
    tell: Tell

    def all(self) -> Iterator[Tried]:
        """One of every kind that can be had, whether it holds or not."""
        everything = frozenset(layer.name for layer in self.layers)
        weights = self._boldest(Change("weights", rounded=everything), self._fewer_rounded)
        yield weights
        rounded = weights.change.rounded if weights.holds else frozenset()
        products = frozenset(layer.name for layer in self.layers if layer.is_product)
        if products:
            boldest = Change("int8", integer=products, rounded=rounded - products)
            yield (integers := self._boldest(boldest, lambda: self._fewer_on_integers(rounded)))
        if not self.choices:
            return
        zeros = self._boldest_zeros("zeros", self._allocations)
        yield zeros
        if not zeros.holds:
            return
        timid = [each for each in self._allocations if _share(each) <= _share(zeros.change.zeros)]
        if rounded:
            yield self._boldest_zeros("zeros+weights", timid, rounded=rounded)
        if integers.holds:
            bits = {"integer": integers.change.integer, "rounded": integers.change.rounded}
            yield self._boldest_zeros("zeros+int8", timid, **bits)

    def made(self, change: Change) -> onnx.ModelProto:
        """The network with a change."""
        proto = self.network.with_constants({self._weight[name]: one.weight() for name, one in change.zeros.items()})
        affected = [layer for layer in self.layers if layer.name in change.integer | change.rounded]
        if not affected:
            return proto
        return quantised(proto, affected, self.observed.ranges, weights_only=change.rounded, bits=self.bits)

    @cached_property
    def _weight(self) -> dict[str, str]:
        return {layer.name: layer.weight for layer in self.layers}

    def _judged(self, change: Change) -> Tried:
        agreement = self.agreement.over(self.originals, list(run_over(self.made(change), self.parts.choosing)))
        return Tried(change, agreement, is_within(agreement.mean, self.margin))

    def _boldest(self, boldest: Change, others: Callable[[], Iterable[Change]]) -> Tried:
        """The boldest change, if it holds; else what halving finds among others, or of those looked at the nearest."""
        known = {0: self._judged(boldest)}
        if known[0].holds:
            return known[0]
        changes = [boldest, *others()]
        steps = Steps(self.tell, f"looking for what holds of {boldest.kind}")

        def holds(place: int) -> bool:
            known[place] = self._judged(changes[place])
            steps(len(known), len(changes).bit_length() + 1)
            return known[place].holds

        found = first_that_holds(range(1, len(changes)), holds)
        return max(known.values(), key=lambda one: one.agreement.mean) if found is None else known[found]

    # bits

    def _fewer_rounded(self) -> Iterator[Change]:
        """The layers whose rounded weights are the most harmful as they were, more and more of them."""
        for _, kept in _fewer(self._harms("rounded")):
            yield Change("weights", rounded=kept)

    def _fewer_on_integers(self, rounded: frozenset[str]) -> Iterator[Change]:
        """The most harmful layers on real numbers, more and more of them; their weights rounded where they bear it."""
        for _, kept in _fewer(self.integer_harms):
            yield Change("int8", integer=kept, rounded=rounded - kept)

    @cached_property
    def integer_harms(self) -> dict[str, float]:
        """Layer -> the squared change of the network's outputs with that layer alone on integers, as a share."""
        return self._harms("integer")

    def _harms(self, way: str) -> dict[str, float]:
        steps = Steps(self.tell, f"looking at what each layer alone does to the outputs ({way})")
        found = {}
        layers = [layer for layer in self.layers if layer.is_product or way == "rounded"]
        for number, layer in enumerate(layers, 1):
            only: dict[str, Any] = {way: frozenset([layer.name])}
            found[layer.name] = self._effect(Change(way, **only))
            steps(number, len(layers))
        return found

    def _effect(self, change: Change) -> float:
        """The squared change of all outputs, as a share of their squares."""
        changed = total = 0.0
        for before, after in zip(self._expected, run_over(self.made(change), self._few), strict=True):
            for one, other in zip(before, after, strict=True):
                changed += float(np.square(one.astype(np.float64) - other).sum())
                total += float(np.square(one.astype(np.float64)).sum())
        return changed / total if total and np.isfinite(changed) else float(changed > 0)

    @property
    def _few(self) -> Sequence[Any]:
        return self.parts.calibration[:HARM_INPUTS]

    @cached_property
    def _expected(self) -> list[Outputs]:
        return list(run_over(self.network.path, self._few))

    # zeros

    @cached_property
    def choices(self) -> tuple[LayerChoices, ...]:
        """Each layer's weight at all rates, and what it does to the outputs; without those that cannot be divided."""
        layers = tuple(large_enough(self.layers))
        steps = Steps(self.tell, "removing weights, layer by layer")
        found = []
        for number, layer in enumerate(layers, 1):
            folder = self.folder / str(number)
            folder.mkdir()
            weight = numpy_helper.to_array(self.network.constants[layer.weight])
            try:
                thinned = thin_out(layer, weight, self.observed.grams[layer.name], self.pattern, folder)
            except InputError:  # the pattern cannot divide it
                continue
            at = next((one for one in thinned if one.rate >= HARM_RATE), thinned[-1])
            effect = self._effect(Change("zeros", {layer.name: at}))
            work = layer.elements * self.observed.positions[layer.name]
            found.append(LayerChoices(layer.name, work, thinned, effect / max(at.error, 1e-12)))
            steps(number, len(layers))
        return tuple(found)

    def _boldest_zeros(self, kind: str, zeros: Sequence[Mapping[str, Thinned]], **bits: frozenset[str]) -> Tried:
        first, *others = (Change(kind, each, **bits) for each in zeros)
        return self._boldest(first, lambda: others)

    @cached_property
    def _allocations(self) -> tuple[Mapping[str, Thinned], ...]:
        """From the most zeros to the fewest, each once."""
        found: list[Mapping[str, Thinned]] = []
        for price in PRICES:
            each = at_price(self.choices, price)
            if each and (not found or each != found[-1]):
                found.append(each)
        return tuple(found)


def _fewer(harms: Mapping[str, float]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """The layers that are left out, the most harmful first, and the others: more and more are left out."""
    order = by_harm(harms)
    for count in sorted({round(share * len(order)) for share in LEFT_OUT} - {0, len(order)}):
        yield frozenset(order[:count]), frozenset(order[count:])


def _share(zeros: Mapping[str, Thinned]) -> float:
    return sum(one.rate for one in zeros.values())
