"""Other ways to call a network than with its example inputs, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor, nn

from prunus.proof.outputs import outputs_of
from prunus.spec.part import Frozen
from prunus.trace.trace import Call

Outcome: TypeAlias = Literal["agrees", "differs", "refused", "not compared"]
Run: TypeAlias = Callable[[nn.Module, Call], list[Tensor]]


@dataclass(frozen=True, eq=False)
class Variation:
    """One way to call a network.

    names: what is other than in the example, such as `a batch of 3`.
    parts: the same changes one by one, where they were put together to save time.
    draws: whether the network draws random numbers then, so that a difference shows nothing.
    at_decisions: whether what is held wherever values decide what follows is compared, too.
    run: how a network is run on the call, where that is more than one call of its forward. What it returns then comes
    in two halves that must be equal, such as tokens with a cache and without.
    """

    names: tuple[str, ...]
    call: Call
    train: bool = False
    draws: bool = False
    at_decisions: bool = False
    run: Run | None = None
    parts: tuple[Variation, ...] = ()

    def outputs(self, network: nn.Module, call: Call) -> list[Tensor]:
        """What the network returns when it is called in this way, with a copy of the variation's call."""
        return self.run(network, call) if self.run else outputs_of(network, call, self.train, self.at_decisions)


class Way(Frozen):
    """A way of calling that the unpruned network takes, and what the cut one does with it.

    outcome: it `agrees` with the masked network or `differs` from it, was `refused` by the cut one, or could not be
    compared. why: unless it agrees.
    """

    name: str
    outcome: Outcome
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.why}" if self.why else self.name
