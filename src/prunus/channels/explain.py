"""Which integers of a user's modules must change with a cut: those without which the cut network is not the masked one.

That a number equals a size that shrinks makes it a candidate, and no more: the index of a layer, a ratio or a length
may equal it too. Whether it must change is found out by running the network with and without the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from torch import nn

from prunus.channels.adapting import Attribute, candidates, unchanged_in
from prunus.graph import Node
from prunus.ops import OPS

Chosen: TypeAlias = tuple[Attribute, ...]
Written: TypeAlias = tuple[Sequence[Node], Sequence[Node]]
"""The operations of a network, with their sizes as written and as they are after a cut."""

MOST = 48
"""Choices of attributes that are run at most before a search gives up."""

BY_NUMBER = frozenset(("chunk", "tensor_split"))
"""Operations whose arguments are a number of parts, or where these end, and become sizes only after a cut."""


def changed_numbers(written: Iterable[Written]) -> list[dict[str, dict[int, int]]]:
    """For each module, the written sizes that change.

    First those that change wherever they are written; then also those that elsewhere stay as they are, for the same
    number may count two things.
    """
    seen: dict[str, dict[int, set[int]]] = {}
    for before, after in written:
        for old, new in zip(before, after, strict=True):
            for was, now in _pairs(old.args, new.args) if _writes_sizes(old) else ():
                seen.setdefault(old.module, {}).setdefault(was, set()).add(now)
    # 16 may be a head's size and a number of heads: where it changes here and stays there, it is tried last.
    always = {module: _single(numbers) for module, numbers in seen.items()}
    partly = {module: _single({n: to - {n} for n, to in numbers.items()}) for module, numbers in seen.items()}
    return [always] if always == partly else [always, partly]


def _writes_sizes(node: Node) -> bool:
    return node.kind in OPS and OPS[node.kind].rewrite is not None and node.kind not in BY_NUMBER


def _single(numbers: dict[int, set[int]]) -> dict[int, int]:
    return {was: next(iter(now)) for was, now in numbers.items() if len(now) == 1 and now != {was}}


def _pairs(old: Any, new: Any, sizes: bool = False) -> Iterator[tuple[int, int]]:
    """Numbers at the same place; one size for all parts stands for each of them.

    A lone number that stays may be a dimension: it is no evidence. In a list it is a size.
    """
    if type(old) is int and type(new) is int:
        if sizes or old != new:
            yield old, new
    elif type(old) is int and isinstance(new, list):
        yield from ((old, part) for part in new[:-1] if type(part) is int)
    elif isinstance(old, (tuple, list)) and isinstance(new, (tuple, list)):
        for a, b in zip(old, new, strict=False):
            yield from _pairs(a, b, isinstance(old, list))


class Search:
    """Looks for the fewest attributes whose change makes a cut network the masked one.

    rank: runs the network with some attributes changed, in every way in which it is called; None if it is not the
    masked one. good: whether nothing can be better.
    """

    def __init__(self, rank: Callable[[Chosen], Any], good: Callable[[Any], bool]) -> None:
        self._run, self._good = rank, good
        self._known: dict[frozenset[Attribute], Any] = {}

    def best(self, model: nn.Module, cut: nn.Module, written: Iterable[Written]) -> Chosen | None:
        """The fewest attributes that do as well as any choice of them, or None if no choice does.

        cut: the model with its tensors cut, whose modules of known classes have been told their new sizes.
        """
        best: Chosen | None = None
        numbers = changed_numbers(written)
        # Attributes of the module that has the number before those of modules around it: fewer are near, and each try
        # is a run. Last those of which the number is a product.
        for far, factors in ((False, False), (True, False), (True, True)):
            for some in numbers:
                found = unchanged_in(cut, candidates(model, some, far, factors))
                best = self._better(best, self._among(_kinds(model, found)))
                if best is not None and self._good(self._rank(best)):
                    return best
        return best

    def _among(self, kinds: Sequence[Chosen]) -> Chosen | None:
        """All kinds if they do, else a few of them; then without those that are not needed."""
        every = tuple(range(len(kinds)))
        best: Chosen | None = None
        for choice in _choices(every):
            if len(self._known) > MOST:
                break
            best = self._better(best, _joined(kinds, choice))
            if best is not None and self._good(self._rank(best)):
                break
        return self._without_needless(kinds, best) if best else None

    def _without_needless(self, kinds: Sequence[Chosen], found: Chosen) -> Chosen:
        for kind in kinds:
            fewer = tuple(attribute for attribute in found if attribute not in kind)
            if len(fewer) < len(found) and self._is_as_good(fewer, found):
                found = fewer
        return found

    def _is_as_good(self, fewer: Chosen, found: Chosen) -> bool:
        rank = self._rank(fewer)
        return rank is not None and not rank < self._rank(found)

    def _better(self, one: Chosen | None, other: Chosen | None) -> Chosen | None:
        """The other where it does, and better; the one in doubt."""
        rank = None if other is None else self._rank(other)
        if rank is None:
            return one
        return other if one is None or self._rank(one) < rank else one

    def _rank(self, chosen: Chosen) -> Any:
        key = frozenset(chosen)
        if key not in self._known:
            self._known[key] = self._run(chosen)
        return self._known[key]


def _choices(every: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Choices of some kinds: all of them, then one alone, two, and ever more."""
    if every:
        yield every
    for count in range(1, len(every)):
        yield from combinations(every, count)


def _joined(kinds: Sequence[Chosen], choice: Sequence[int]) -> Chosen:
    return tuple(attribute for number in choice for attribute in kinds[number])


def _kinds(model: nn.Module, found: Sequence[Attribute]) -> list[Chosen]:
    """Attributes of one name in modules of one class, which mean the same and change together."""
    modules = dict(model.named_modules())
    kinds: dict[Any, list[Attribute]] = {}
    for attribute in found:
        kinds.setdefault((type(modules[attribute.module]), attribute.path), []).append(attribute)
    return [tuple(kind) for kind in kinds.values()]
