"""The search for the fields of a configuration from which a class builds a network that is known.

It is made by building: the class without values, to compare shapes, then with the known weights, to compare what it
computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import TypeAlias

import torch
from torch import Tensor, nn

from prunus.channels.adapting import Attribute, adapt
from prunus.channels.configuration_cause import cause_of_difference, never_read, same
from prunus.channels.configuration_fields import CandidateFields, Shapes, changed_numbers, changed_sizes
from prunus.channels.pretrained import LEFT_OUT, Library
from prunus.errors import first_line
from prunus.proof import Variation
from prunus.proof.outputs import copied_arguments, first_difference
from prunus.trace.copying import exact_copy
from prunus.trace.inventory import held_tensors

Chosen: TypeAlias = tuple[Attribute, ...]

MOST_BUILT = 200
"""Configurations of which a network is built at most, without values."""

MOST_LEFT_OUT = 64
"""Sets of doubtful fields of which it is tried whether all others fit without them."""

FAR = 10
"""Sizes that a field makes wrong by itself above which it is not put together with others, such as that of layers."""

MOST_RUN = 40
"""Configurations of which a network is built at most with the cut weights, and run."""

MOST_CAUSES = 10
"""For at most so many of these it is asked what they lack."""

UNBUILDABLE = "its class can't be built from the configuration that it has"


@dataclass(frozen=True)
class Found:
    """What a class must be built from. fields: those that change, with their new values.

    unread: tensors of other sizes, which nothing reads, such as the token in place of what is masked.
    """

    fields: Chosen
    unread: tuple[str, ...] = ()


class ConfigurationSearch:
    """What a class must be built from to be the cut network `small`, which came of `model`."""

    def __init__(self, library: Library, model: nn.Module, small: nn.Module, ways: Sequence[Variation]) -> None:
        self._library, self._small, self._ways = library, small, ways
        self._after = _shapes(small)
        self._built: dict[Chosen, Shapes | None] = {}
        self._left_to_run = MOST_RUN
        self._ran: list[Chosen] = []
        self._error = ""
        self._closest: Chosen | None = None
        self._unread = never_read(exact_copy(small), ways) if library.may_lack else frozenset()
        self._expected = self._outputs(exact_copy(small))  # a call may leave traces
        pairs = changed_sizes(self._shapes_of(()) or {}, self._after) | changed_numbers(model, small)
        candidates = CandidateFields(library, small, pairs)
        self._equals, self._options, self._open = candidates.equal, candidates.options, candidates.not_given

    def found(self) -> Found | str:
        """The fewest fields with which shapes and results are those of the cut network, or why there are none."""
        start = self._mismatches(())
        if start is None:
            return UNBUILDABLE
        counts = [(option, self._mismatches((option,))) for option in self._options]
        useful = [each for each, count in counts if count is not None and count < start]
        whole = [(each, count) for each, count in counts if isinstance(each.after, int)]
        others = [each for each, count in whole if each not in useful and (count or 0) < start + FAR]
        found = self._fitting(useful, others)
        if found is None:
            return self._unexplained()
        # A number that no size needs, such as a stride that equals a width, is tried only if without it something else
        # is computed.
        fitting = self._without_needless(found, lambda fewer: self._mismatches(fewer) == 0)
        for count in range(4):
            for more in combinations([each for each in (*others, *useful) if each not in fitting], count):
                chosen = (*fitting, *more)
                if self._has_each_once(chosen) and self._is_right(chosen):
                    fewest = self._without_needless(chosen, self._is_right)
                    return Found(fewest, tuple(sorted(self._differing(fewest))))
        return self._cause()

    def _fitting(self, useful: list[Attribute], others: list[Attribute]) -> Chosen | None:
        """Fields with which all shapes fit: as many as can be that equal a size or help by themselves, or in steps what
        most sizes agree with.
        """
        whole = [each for each in self._options if isinstance(each.after, int)]
        likely = [each for each in whole if each in useful or each in self._equals]
        harmful = [each for each in likely if self._harms(each)]
        fewer = chain.from_iterable(combinations(harmful, count) for count in range(len(harmful) + 1))
        for left_out in islice(fewer, MOST_LEFT_OUT):
            every = tuple({each.path: each for each in reversed(likely) if each not in left_out}.values())
            if self._mismatches(every) == 0:
                return every
        return self._in_steps(useful, others)

    def _harms(self, option: Attribute) -> bool:
        """Whether it changes a size that is right, as does a head's size that equals the number of heads."""
        before, built = self._shapes_of(()) or {}, self._shapes_of((option,)) or {}
        return any(shape != built.get(name) for name, shape in self._after.items() if before.get(name) == shape)

    def _in_steps(self, useful: list[Attribute], others: list[Attribute]) -> Chosen | None:
        chosen: Chosen = ()
        left = self._mismatches(chosen)
        while left:
            # What helps by itself; then what helps only beside others, such as a width without which there would be a
            # projection to it; then two at a time.
            steps: tuple[Iterator[Chosen], ...] = (
                ((each,) for each in useful),
                ((each,) for each in self._options if each not in useful),
                combinations((*useful, *others), 2),
                ((each,) for each in self._open),
            )
            best = next((best for some in steps if (best := self._best(chosen, some, left)) is not None), None)
            if best is None:
                self._closest = chosen
                return None
            chosen, left = best
        return chosen

    def _best(self, chosen: Chosen, steps: Iterator[Chosen], left: int) -> tuple[Chosen, int] | None:
        """The step with which the fewest sizes differ, if these are fewer than are left."""
        longer = ((*chosen, *step) for step in steps)
        counts = [(each, self._mismatches(each)) for each in longer if self._has_each_once(each)]
        better = [(each, count) for each, count in counts if count is not None and count < left]
        return min(better, key=lambda each: each[1], default=None)

    def _has_each_once(self, chosen: Chosen) -> bool:
        return len({each.path for each in chosen}) == len(chosen)

    def _without_needless(self, chosen: Chosen, does: Callable[[Chosen], bool]) -> Chosen:
        for each in chosen:
            fewer = tuple(one for one in chosen if one is not each)
            chosen = fewer if does(fewer) else chosen
        return chosen

    def _is_right(self, chosen: Chosen) -> bool:
        return self._mismatches(chosen) == 0 and self._computes_the_same(chosen)

    def _unexplained(self) -> str:
        """Which tensor is of another size than it would be."""
        chosen = self._closest or ()
        built = self._shapes_of(chosen) or {}
        names = [*self._after, *(name for name in built if name not in self._after)]
        name = next(name for name in names if built.get(name) != self._after.get(name) and name not in self._unread)
        if name not in built or name not in self._after:
            return f"its class, built from a configuration, has other tensors: {name!r} is in one of both alone"
        there, here = tuple(built[name]), tuple(self._after[name])
        return f"{name!r} is of shape {here}, and {there} by the configuration that fits best of {len(self._built)}"

    def _cause(self) -> str:
        """What the first configuration lacks that fits all sizes and for which that can be told."""
        if not self._ran:
            return f"its class, built from a configuration that fits its sizes, does not run: {self._error}"
        for chosen in self._ran[:MOST_CAUSES]:
            if (cause := cause_of_difference(*self._networks(chosen), self._outputs)) is not None:
                return cause
        built, small = self._networks(self._ran[0])
        where = first_difference(small, built, self._outputs)
        return f"its class, built from a configuration that fits its sizes, computes something else, from {where} on"

    def _mismatches(self, chosen: Chosen) -> int | None:
        """How many sizes differ from the cut network's, in a network that is built so; None if none can be."""
        built = self._shapes_of(chosen)
        if built is None:
            return None
        names = {name for name in built.keys() | self._after.keys() if name not in self._unread or name not in built}
        return sum(_differences(built.get(name), self._after.get(name)) for name in names)

    def _differing(self, chosen: Chosen) -> set[str]:
        """Tensors of other sizes than in a network that is built so; nothing reads them, where all others fit."""
        built = self._shapes_of(chosen) or {}
        return {name for name in self._unread if built.get(name) != self._after[name]}

    def _shapes_of(self, chosen: Chosen) -> Shapes | None:
        chosen = tuple(sorted(chosen, key=str))
        if chosen not in self._built and len(self._built) < MOST_BUILT:
            try:
                self._built[chosen] = _shapes(self._skeleton(chosen))
            except Exception:  # a class refuses what it can't be in its own ways
                self._built[chosen] = None
        return self._built.get(chosen)

    def _skeleton(self, chosen: Chosen) -> nn.Module:
        """A model without values; with values, where its constructor reads some."""
        try:
            with torch.device("meta"):
                return self._build(chosen)
        except (RuntimeError, NotImplementedError):
            return self._build(chosen)

    def _build(self, chosen: Chosen) -> nn.Module:
        holder, name = nn.Module(), self._library.attribute
        vars(holder)[name] = vars(self._small)[name]
        return self._library.build(type(self._small), vars(adapt(exact_copy(holder), chosen))[name])

    def _computes_the_same(self, chosen: Chosen) -> bool:
        """Whether a network that is built so, with the cut weights, and the cut one itself say what that said.

        To the bit: the class is the same, and heads that are mixed up may tell little.
        """
        self._left_to_run -= 1
        if self._left_to_run < 0:
            return False
        try:
            outputs = [self._outputs(network) for network in self._networks(chosen)]
        except Exception as error:  # a network whose numbers don't fit fails in its own ways
            self._error = first_line(error)
            return False
        self._ran.append(chosen)
        return all(same(self._expected, each) for each in outputs)

    def _networks(self, chosen: Chosen) -> tuple[nn.Module, nn.Module]:
        """One that is built so, with the cut weights, and the cut one itself with these fields."""
        built = self._build(chosen).to(self._kind()).eval()
        left_out = self._differing(chosen).union(getattr(self._small, LEFT_OUT, None) or ())
        saved = {name: tensor for name, tensor in self._small.state_dict().items() if name not in left_out}
        built.load_state_dict(saved, strict=False)  # names and shapes are known to fit
        return built, adapt(exact_copy(self._small), chosen)

    def _kind(self) -> torch.dtype:
        return next((p.dtype for p in self._small.parameters() if p.is_floating_point()), torch.float32)

    def _outputs(self, network: nn.Module) -> list[list[Tensor]]:
        return [way.outputs(network, copied_arguments(way.call, False)) for way in self._ways]


def _shapes(model: nn.Module) -> Shapes:
    return {name: tensor.shape for name, tensor in held_tensors(model).items()}


def _differences(one: torch.Size | None, other: torch.Size | None) -> int:
    if one is None or other is None or len(one) != len(other):
        return FAR
    return sum(a != b for a, b in zip(one, other, strict=True))
