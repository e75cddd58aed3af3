"""What is asked of `reconstruct`: how much goes, in which pattern and of which layers, and which bits are offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from torch import Tensor, nn

from prunus.channels.cost_model import cost_model_of
from prunus.channels.cost_target import check_reached, find_counts
from prunus.errors import InputError
from prunus.prune import ALLOCATIONS, PATTERNS, UnitSet, protected_layers, prunable_layers
from prunus.prune.allocations import Allocation
from prunus.prune.patterns.nm import NM
from prunus.prune.patterns.pattern import LayerPattern
from prunus.quantization import Precisions, precisions_asked
from prunus.reconstruct.choices import RATES, Chosen, choose_rates_and_bits
from prunus.spec import Bits, Part, bits_of, make, part_of
from prunus.spec.bits import OFF

OneOrSeveral: TypeAlias = "Bits | Mapping[str, Any] | int | Sequence[Bits | Mapping[str, Any] | int] | None"
"""The bits of a network, or several of which each layer gets one."""


@dataclass(frozen=True)
class Asked:
    """Valid by itself; `chosen` says whether it can be had of a network.

    rate: of units; None where a target decides. share: of the bit operations, where rates and bits are chosen for it.
    offered: bits, one of which each layer gets.
    """

    pattern: LayerPattern
    allocation: Allocation
    protect: Sequence[str]
    rate: float | None
    share: float | None
    offered: tuple[Bits, ...]

    @classmethod
    def of(
        cls, rate: Any, pattern: Any, allocation: Any, protect: Sequence[str], bits: OneOrSeveral, share: Any
    ) -> Asked:
        """From the arguments of `reconstruct`. Raises `InputError` where they do not go together."""
        shared, offered = make(ALLOCATIONS, part_of(allocation)), _offered(bits)
        made = _pattern(part_of(pattern))
        if share is not None:
            return cls(made, shared, protect, _none_or_zero(rate, shared), _share(share), offered)
        if len(offered) > 1:
            raise InputError(
                "Nothing says which bits each layer gets",
                f"{len(offered)} are offered",
                "give the share of bit operations that is to be left, such as bops = 0.05",
            )
        if rate is None and shared.target is None and not offered[0].off:
            rate = 0.0
        return cls(made, shared, protect, _checked_rate(rate, shared), None, offered)

    def chosen(self, model: nn.Module, batches: Sequence[Any]) -> tuple[tuple[UnitSet, ...], Chosen]:
        """The units of the layers that may lose weights, and what becomes of every layer.

        model: in evaluation mode. Raises `InputError` where what is asked for cannot be had of it.
        """
        if self.share is None:
            self.pattern.check_even(even=self.allocation.even)
            if self.rate is not None:
                self.pattern.check_rate(self.rate)
        layers = prunable_layers(model, batches[0])
        whole = [layer for layer in layers if not layer.attention]
        sets = self.pattern.unit_sets(model, batches[0], whole, protected_layers(whole, self.protect))
        found = [Precisions({}, {}) if one.off else precisions_asked(model, layers, one) for one in self.offered]
        if self.share is not None:
            return sets, choose_rates_and_bits(
                model, batches, layers, sets, self._rates(), found, self.offered[0], self.share
            )
        self.allocation.check(sets)
        counts = {one.name: count for one, count in zip(sets, self._counts(model, batches[0], sets), strict=True)}
        return sets, Chosen(counts, found[0].quantized, found[0].left)

    def _rates(self) -> Sequence[float]:
        if self.rate is not None:
            return ()
        if isinstance(self.pattern, NM) and self.pattern.n is not None:
            return (1 - self.pattern.n / self.pattern.m,)
        return RATES

    def _counts(self, model: nn.Module, example: Any, sets: Sequence[UnitSet]) -> list[int]:
        """How many units of each layer go: by the rate, or to leave the share of the cost that is asked for."""
        scores: list[Tensor] = [
            arrange(model.get_parameter(name).detach()).abs().sum(1)
            for one in sets
            for name, arrange in one.scored.items()
        ]
        if self.rate is not None:
            return self.allocation.counts(sets, scores, self.rate)
        prices, left = cost_model_of(model, example, self.allocation.counted or "params"), self.allocation.left(0)
        counts = find_counts(prices, self.allocation, sets, scores, left)
        check_reached(prices, sets, scores, counts, left)
        return counts


def _pattern(part: Part) -> LayerPattern:
    made = make(PATTERNS, part)
    if isinstance(made, LayerPattern):
        return made
    raise InputError(
        f"Layers cannot be reconstructed by the pattern '{part.name}'",
        "weights of one layer are removed and made up for",
        "use 'element', 'nm' or 'block'; for channels, prunus.prune_channels",
    )


def _offered(bits: OneOrSeveral) -> tuple[Bits, ...]:
    """The bits that are offered. Raises `InputError` for none, or where they differ in more than numbers of bits."""
    if bits is None:
        return (Bits(weights=OFF, activations=OFF),)
    if isinstance(bits, (Bits, Mapping, int)):
        return (bits_of(bits),)
    found = tuple(bits_of(one) for one in bits) if isinstance(bits, Sequence) and not isinstance(bits, str) else ()
    if not found:
        raise InputError(
            f"The bits {bits!r} cannot be used", "they are no number, no table and no list of such", "write (4, 8)"
        )
    if len({(one.when, one.ranges, one.percentile) for one in found}) > 1:
        raise InputError(
            "The bits that are offered differ in `when`, `ranges` or `percentile`",
            "ranges are found in one way for a network",
            "give all of them the same",
        )
    return found


def _share(share: Any) -> float:
    if isinstance(share, Real) and not isinstance(share, bool) and 0 < float(share) <= 1:
        return float(share)
    raise InputError(f"bops = {share!r} cannot be used", "it is the share that is left", "give 0 < bops <= 1")


def _none_or_zero(rate: Any, shared: Allocation) -> float | None:
    """Raises `InputError` where rates are said as well as the share of bit operations that they are chosen for."""
    if rate in (None, 0) and shared.target is None and shared.rate_of == "units":
        return rate if rate is None else 0.0
    raise InputError(
        f"Both bops and {'a target of the allocation' if rate in (None, 0) else 'a rate'} say how much is to go",
        "with bops, each layer's rate is chosen",
        "leave the other out, or give rate = 0 to have bits chosen alone",
    )


def _checked_rate(rate: Any, shared: Allocation) -> float | None:
    """The rate; None where a target decides. Raises `InputError` for both or neither, or what cannot be had here."""
    if shared.latency_ms is not None or shared.rate_of != "units":
        raise InputError(
            f"Layers cannot be reconstructed to {'a latency' if shared.latency_ms else f'a share of {shared.rate_of}'}",
            "rates of weights and shares of params, macs or bops can be asked for",
            "give a rate, or a target such as macs = 0.25 among the allocation's settings",
        )
    if (rate is None) == (shared.counted is None):
        raise InputError(
            "Nothing says how much is to go" if rate is None else "Both a rate and a target say how much is to go",
            "either a share of the weights or a cost can be asked for",
            "give a rate, or an allocation with a target, such as macs = 0.25",
        )
    if rate is not None and (not isinstance(rate, Real) or not 0 <= float(rate) < 1):
        raise InputError(f"The rate {rate!r} cannot be used", "it is the share that goes", "give 0 <= rate < 1")
    return None if rate is None else float(rate)
