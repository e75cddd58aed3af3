"""The parts of a network that can't be traced as a whole: which were pruned, and which were left, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from torch import nn

from prunus.channels.plan import Plan
from prunus.coupling import ChannelGroup, Coupling
from prunus.graph.node import used_tensors
from prunus.spec.part import Frozen
from prunus.trace.eager import decisions

ROOT = "its own forward"
"""What the network itself is called among its parts."""


class NetworkPart(Frozen):
    """A module, and what came of it: `pruned`, or `left` because of something."""

    name: str
    outcome: Literal["pruned", "left"]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else self.name


def parts_of(
    model: nn.Module, coupling: Coupling, groups: Sequence[ChannelGroup], chosen: Plan
) -> tuple[NetworkPart, ...]:
    """The largest modules without data-dependent control flow that lose channels, and those that were left.

    A network that can be traced as a whole has none.
    """
    if not coupling.graphs[0].untraced:
        return ()
    deciding: dict[str, dict[str, Any]] = {}  # module -> its data-dependent operations
    for graph in coupling.graphs:
        for node in decisions(graph):
            deciding.setdefault(node.module, {})[node.op.rpartition(".")[2]] = None
    undivided = _Undivided(deciding)
    pruned = {
        undivided.around(member.layer) for group in groups if group.name in chosen.removed for member in group.producers
    }
    used = set().union(*(used_tensors(graph) for graph in coupling.graphs))
    unused = {
        undivided.around(name.rpartition(".")[0]) for name, _ in model.named_parameters() if name not in used
    } - pruned
    return (
        *(NetworkPart(name=name or ROOT, outcome="pruned") for name in _in_order(model, pruned)),
        *(
            NetworkPart(name=name or ROOT, outcome="left", why=f"is data-dependent: {', '.join(deciding[name])}")
            for name in _in_order(model, deciding)
        ),
        *(
            NetworkPart(name=name or ROOT, outcome="left", why="not used with the example inputs")
            for name in _in_order(model, unused)
        ),
    )


class _Undivided:
    """Modules without data-dependent control flow."""

    def __init__(self, deciding: Iterable[str]) -> None:
        self._divided = {"", *(outer for name in deciding for outer in (*_outer(name), name))}

    def around(self, layer: str) -> str:
        """The largest such module that holds a layer, or the layer itself."""
        return next((name for name in (*_outer(layer), layer) if name not in self._divided), layer)


def _outer(path: str) -> list[str]:
    """The modules that a module lies in, the outermost first.

    >>> _outer("a.b.c")
    ['a', 'a.b']
    """
    steps = path.split(".")
    return [".".join(steps[:count]) for count in range(1, len(steps))]


def _in_order(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Modules as the model holds them; a tensor that the model itself holds comes first."""
    order = {name: place for place, (name, _) in enumerate(model.named_modules())}
    return sorted(names, key=lambda name: (order.get(name, -1), name))
