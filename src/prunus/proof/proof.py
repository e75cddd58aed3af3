"""Proof by execution: the cut network computes what the masked one computes, whichever way it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError, PrunusError, first_line
from prunus.proof._variation import Outcome, Variation, Way
from prunus.proof.outputs import Rounding, copied_arguments, first_difference, relative_difference
from prunus.proof.variations import is_consistent
from prunus.trace.inventory import held_tensors

LIMIT = 1e-5
"""Largest difference over the largest output that is put down to rounding."""

SINGLE_LIMIT = 1e-3
"""The limit where other ways of calling are compared in single precision."""

NOISE, SINGLE_NOISE = 2.0**-46, 2.0**-20
"""Relative change of inputs, in double and single precision, that stands for the rounding of a few operations."""

ROUNDINGS = range(4)
"""Seeds of runs that round in other ways, of which one shows with near certainty what hangs on that."""

NOISES = 64
"""How many such changes the rounding of a whole network may come to."""

Made: TypeAlias = Callable[[bool], nn.Module]
"""Makes a network, with tensors of its own, in double precision or not."""

Reference: TypeAlias = Callable[[Variation, bool], nn.Module | None]
"""Makes the masked network for a way of calling, in double precision or not; None if only the cut one can be run."""

WRONG_TYPE = (RuntimeError, TypeError, NotImplementedError)
"""What is raised where a network cannot compute in double precision, among other things."""


class DifferenceError(PrunusError):
    """Masked and shrunk model do not agree: the cut is refused."""


class NotAFiniteError(InputError):
    """What is compared is not a number."""


class Proof:
    """What a masked network computes, worked out once, whatever number of networks it is held against.

    A network is made once and called in all ways, the example first, as users call theirs.
    masked: makes the network for the example, or for another way to call it.
    """

    def __init__(self, masked: Reference, example: Variation, limit: float = LIMIT) -> None:
        self._masked, self._example, self._limit = masked, example, limit
        self._expected: dict[tuple[Variation, bool], list[Tensor] | None] = {}

    def deviation(self, shrunk: Made) -> float:
        """Largest difference of the outputs over the largest output; `DifferenceError` above the limit."""
        limit = self._limit
        try:
            found = self._difference(self._example, shrunk, double=True)
        except WRONG_TYPE:
            found = self._difference(self._example, shrunk, double=False)
            limit = SINGLE_LIMIT if self._example.at_decisions else limit
            if limit < found <= min(self._noise(self._example, double=False), SINGLE_LIMIT):
                return found  # as much as rounding does to the masked network itself
        if not found <= limit:
            raise self._refusal(shrunk, found)
        return found

    def ways(self, shrunk: Made, variations: Sequence[Variation]) -> tuple[Way, ...]:
        """What the network does when it is called in other ways, all of which the unpruned one takes.

        Where it does not agree on several changes together, each is tried by itself.
        """
        return tuple(way for variation in variations for way in self._ways(shrunk, variation))

    def check(self, ways: Sequence[Way]) -> None:
        """Raises `DifferenceError` where the network computes something else."""
        for way in ways:
            if way.outcome == "differs":
                raise DifferenceError(
                    "The shrunk model differs from the masked one when it is called in another way than the example",
                    str(way),
                    "protect the layers concerned, and report this: it is a fault of prunus",
                )

    def _ways(self, shrunk: Made, variation: Variation) -> Iterator[Way]:
        outcome, why = self._outcome(shrunk, variation)
        if outcome != "agrees" and variation.parts:
            for part in variation.parts:
                yield from self._ways(shrunk, part)
        else:
            yield from (Way(name=name, outcome=outcome, why=why) for name in variation.names)

    def _outcome(self, shrunk: Made, variation: Variation) -> tuple[Outcome, str]:
        for double in (True, False):
            try:
                self._expect(variation, double)
            except Exception as error:  # a network fails in its own ways
                why = first_line(error)
                continue
            try:
                found = self._difference(variation, shrunk, double)
            except Exception as error:
                if double and isinstance(error, WRONG_TYPE):
                    why = first_line(error)
                    continue
                return "refused", first_line(error)
            if not found <= (self._limit if double else SINGLE_LIMIT):
                if variation.draws:
                    return "not compared", "it draws random numbers, which may be others there"
                noise = self._noise(variation, double)
                if found <= noise:
                    return "not compared", f"rounding in the last digits makes {noise:.0e} there"
                return "differs", f"by {found:.1e} of the largest output"
            return "agrees", ""
        return ("refused" if (variation, False) in self._expected else "not compared"), why

    def _noise(self, variation: Variation, double: bool) -> float:
        """What rounding can do to the masked network: how far inputs that are changed in their last digits take it."""
        expected = self._expect(variation, double) or ()
        # Rounding may decide, as among nearest codes, and not only be carried on: every operation rounds otherwise.
        if variation.run is None and (self._example.at_decisions or not double):
            found = [self._rounded(variation, double, seed) for seed in ROUNDINGS]
            return NOISES * max(relative_difference(expected, rounded) for rounded in found)
        disturbed = self._disturbed(variation, double)
        return 0.0 if disturbed is None else NOISES * relative_difference(expected, disturbed)

    def _difference(self, variation: Variation, shrunk: Made, double: bool) -> float:
        found = self._run(variation, shrunk(double), double)  # first, for it is small and may not run at all
        expected = self._expect(variation, double)
        if variation.run and not is_consistent(found):
            return float("inf")
        if expected is None:
            return 0.0
        return self._apart(variation, double, expected, found)

    def _apart(self, variation: Variation, double: bool, expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
        """How far results are from those that are expected.

        What is held at decisions is compared value by value, but for those that rounding alone takes elsewhere, such as
        boxes that are sorted by equal scores.
        """
        if not variation.at_decisions:
            return relative_difference(expected, found)
        differences, limit = _one_by_one(expected, found), self._limit if double else SINGLE_LIMIT
        if max(differences, default=0.0) <= limit:
            return max(differences, default=0.0)
        noises = [_one_by_one(expected, self._rounded(variation, double, seed)) for seed in ROUNDINGS]
        told = [a for a, *noise in zip(differences, *noises, strict=False) if NOISES * max(noise) <= limit]
        return max(told, default=float("inf"))

    def _rounded(self, variation: Variation, double: bool, seed: int) -> list[Tensor]:
        """What the masked network computes when every operation rounds in another way."""
        network = self._masked(variation, double)
        if network is None:
            return []
        with Rounding(seed):
            return self._run(variation, network, double)

    def _disturbed(self, variation: Variation, double: bool) -> list[Tensor] | None:
        """What the masked network computes on inputs that are changed in their last digits."""
        network, call = self._masked(variation, double), copied_arguments(variation.call, double)
        if network is None or variation.run:
            return None
        change = 1 + (NOISE if double else SINGLE_NOISE)
        close = pytree.tree_map(lambda v: v * change if isinstance(v, Tensor) and v.is_floating_point() else v, call)
        return variation.outputs(network, close)

    def _expect(self, variation: Variation, double: bool) -> list[Tensor] | None:
        """What the masked network computes, or None if it can't be called in this way."""
        key = variation, double
        if key not in self._expected:
            network = self._masked(variation, double)
            expected = None if network is None else self._run(variation, network, double)
            if network is not None and _has_nan(expected or ()):
                raise _not_a_number(network)
            self._expected[key] = expected
        return self._expected[key]

    def _run(self, variation: Variation, network: nn.Module, double: bool) -> list[Tensor]:
        return variation.outputs(network, copied_arguments(variation.call, double))

    def _refusal(self, shrunk: Made, found: float) -> DifferenceError:
        masked, call = self._masked(self._example, False), self._example.call
        place = "the model's own forward"
        if masked is not None:
            run = lambda network: self._example.outputs(network, copied_arguments(call, False))  # noqa: E731
            place = first_difference(masked, shrunk(False), run)
        return DifferenceError(
            f"The shrunk model differs from the masked one by {found:.1e} of its largest output",
            f"they part at {place}",
            "protect that layer, and report this: it is a fault of prunus",
        )


def _one_by_one(expected: Sequence[Tensor], found: Sequence[Tensor]) -> list[float]:
    """The relative difference of each tensor; infinite where one of them has no other."""
    missing = [float("inf")] * abs(len(expected) - len(found))
    return [*(relative_difference([a], [b]) for a, b in zip(expected, found, strict=False)), *missing]


def _has_nan(tensors: Iterable[Tensor]) -> bool:
    return any(bool(tensor.isnan().any()) for tensor in tensors)


def _not_a_number(masked: nn.Module) -> NotAFiniteError:
    """What to say of a masked network that computes values that are not a number."""
    if _has_nan(held_tensors(masked).values()):
        return NotAFiniteError(
            "The model computes values that are not a number",
            "there are such values among its weights",
            "train or load them anew",
        )
    return NotAFiniteError(
        "The model computes values that are not a number when the channels to be removed are zero",
        "it divides by what is zero then, as by the norm of a channel's weights, or has such values without that",
        "merge what scales weights by their norm into them (adapters of DoRA, say), or protect these layers",
    )
