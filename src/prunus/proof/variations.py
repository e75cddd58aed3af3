"""Which other ways of calling a network takes: found out by calling it."""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError
from prunus.proof._variation import Variation
from prunus.proof.outputs import (
    copied_arguments,
    outputs_of,
    random_like,
    relative_difference,
    running,
    sharing_parameters,
)
from prunus.trace.copying import evaluating
from prunus.trace.other_calls import Edit, named_arguments, optional_arguments, other_batches, other_sizes
from prunus.trace.results import plain
from prunus.trace.trace import Call

TOKENS = 4
NOT_FOR_GENERATION = ("use_cache", "labels", "return_dict", "decoder_input_ids")
PROMPTS = ("input_ids", "input_features", "input_values", "pixel_values", "inputs_embeds")


def decoding(model: nn.Module, call: Call) -> Iterator[Variation]:
    """Greedy generation, and a step with a cache, where the network has these."""
    named = named_arguments(model, call)
    if callable(getattr(model, "generate", None)) and any(name in named for name in PROMPTS):
        yield Variation((f"generate, {TOKENS} tokens with and without a cache",), ((), named), run=_generated)
    ids = named.get("input_ids")
    taken = inspect.signature(model.forward).parameters
    if isinstance(ids, Tensor) and ids.dim() == 2 and ids.shape[1] > 1 and {"past_key_values", "use_cache"} <= {*taken}:
        yield Variation(("a step with a cache",), ((), {"input_ids": ids}), run=_stepped)


def _generated(network: Any, call: Call) -> list[Tensor]:
    """Tokens with a cache, then those without."""
    kwargs = {name: value for name, value in call[1].items() if name not in NOT_FOR_GENERATION}
    if not callable(getattr(network, "generate", None)):
        raise InputError("The network has no method `generate`", "it is a rewritten graph")
    found = []
    for use_cache in (True, False):
        with running():
            evaluating(network)
            tokens = network.generate(
                **kwargs,
                max_new_tokens=TOKENS,
                min_new_tokens=TOKENS,
                do_sample=False,
                num_beams=1,
                use_cache=use_cache,
            )
        found.append(tokens if isinstance(tokens, Tensor) else tokens.sequences)
    return found


def _stepped(network: Any, call: Call) -> list[Tensor]:
    """What is said of the last token after the others are in the cache, then without."""
    ids = call[1]["input_ids"]
    with running():
        evaluating(network)
        before = network(input_ids=ids[:, :-1], use_cache=True)
        after = network(input_ids=ids[:, -1:], past_key_values=before.past_key_values, use_cache=True)
        whole = network(input_ids=ids, use_cache=False)
    return [_last(after), _last(whole)]


def _last(result: Any) -> Tensor:
    tensors = [leaf for leaf in pytree.tree_leaves(plain(result)) if isinstance(leaf, torch.Tensor)]
    return tensors[0][:, -1]


MANY = 2**17
"""Numbers in the arguments above which no larger ones are tried: a proof shall take seconds."""

OTHER_VALUES = {1: "other values", 2: "other values again"}
"""Seeds of further inputs, and what a report says of them."""

CONSISTENT = 1e-3
"""Relative difference up to which what a network says with a cache counts as what it says without."""


def variations(model: nn.Module, call: Call, by_values: bool = False) -> list[Variation]:
    """Ways of calling in which the network runs, beside that of the example; few, for changes are put together.

    Smaller sizes and a larger batch; larger sizes, a single sample and optional arguments; training, where that is not
    left to chance; generation and cached steps.
    by_values: the network is data-dependent: it is called with those of the call itself, and with other ones.
    """
    if not by_values:
        return list(_Trier(model, random_like(call)).found())
    trier = _Trier(model, call, by_values=True)
    others = [Variation((name,), random_like(call, seed)) for seed, name in OTHER_VALUES.items()]
    return [*(each for each in others if trier.takes(each.call)), *trier.found()]


def values_to_compare(model: nn.Module, call: Call) -> Call:
    """The arguments of a network with data-dependent control flow, with random values if it takes these."""
    filled = random_like(call)
    return filled if _Trier(model, filled).takes(filled) else call


class _Trier:
    """Calls a network, of which it has a copy, to find out what it takes."""

    def __init__(self, model: nn.Module, call: Call, by_values: bool = False) -> None:
        self._model, self._call, self._by_values = sharing_parameters(model), call, by_values
        leaves = pytree.tree_leaves(call)
        self._is_small = sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor)) <= MANY

    def found(self) -> Iterator[Variation]:
        """All ways that the network takes."""
        more, single = other_batches(self._call)
        smaller, larger = self._sizes()
        small = list(self._together([*smaller, *([more] if more else [])]))
        yield from small
        call = small[0].call if small else self._call
        arguments = list(self._first_taken(optional_arguments(self._model, call), call))
        yield from self._together([*larger, *([single] if single else []), *arguments])
        yield from self._training(call)
        yield from (each for each in decoding(self._model, self._call) if self._is_consistent(each))

    def _sizes(self) -> tuple[list[Edit], list[Edit]]:
        smaller: list[Edit] = []
        larger: list[Edit] = []
        for less, more in other_sizes(self._call):
            smaller += self._first_taken([less], self._call)
            larger += self._first_taken([more], self._call) if self._is_small else []
        return smaller, larger

    def _first_taken(self, options: Iterable[Sequence[Edit]], call: Call) -> Iterator[Edit]:
        for edits in options:
            for edit in edits:
                if self.takes(edit.change(call)):
                    yield edit
                    break

    def _together(self, edits: Sequence[Edit]) -> Iterator[Variation]:
        """One variation with all changes where the network takes that, else one for each."""
        alone = tuple(Variation((edit.name,), edit.change(self._call)) for edit in edits)
        if len(edits) > 1:
            call = reduce(lambda given, edit: edit.change(given), edits, self._call)
            if self.takes(call):
                yield Variation(tuple(edit.name for edit in edits), call, parts=alone)
                return
        yield from (each for each in alone if self.takes(each.call))

    def _training(self, call: Call) -> Iterator[Variation]:
        """In training mode, where that draws no random numbers. Where values decide, some that are drawn are not many
        more the wider the network is, such as the size of images.
        """
        args, kwargs = copied_arguments(call, False)
        draws: bool | None = None
        with contextlib.suppress(Exception), running(train=True):
            before = _random_state()
            sharing_parameters(self._model).train()(*args, **kwargs)
            draws = _random_state() != before
        if draws is False or (draws and self._by_values):
            yield Variation(("in training mode",), call, train=True, draws=draws)

    def _is_consistent(self, variation: Variation) -> bool:
        with contextlib.suppress(Exception):
            return is_consistent(variation.outputs(self._model, copied_arguments(variation.call, False)))
        return False

    def takes(self, call: Call) -> bool:
        """Whether the network runs when it is called so, and gives numbers."""
        with contextlib.suppress(Exception):
            return not any(bool(output.isnan().any()) for output in self._outputs(call))
        return False

    def _outputs(self, call: Call) -> list[Tensor]:
        return outputs_of(self._model, copied_arguments(call, False))


def _random_state() -> tuple[bytes, object]:
    return torch.default_generator.get_state().numpy().tobytes(), random.getstate()


def is_consistent(halves: Sequence[Tensor]) -> bool:
    """Whether the second half of these tensors says what the first says: tokens exactly, numbers nearly."""
    middle = len(halves) // 2
    one, other = halves[:middle], halves[middle:]
    if any(not tensor.is_floating_point() for tensor in halves):
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    return relative_difference(one, other) <= CONSISTENT
