"""From a plan back to the channels that it removes, for a network whose channels are coupled, and the network's
operations with the sizes that are written in them adapted to those that are left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from prunus.channels.plan import Plan
from prunus.coupling import Coupling
from prunus.errors import InputError
from prunus.graph import Graph, Node
from prunus.graph.node import replace_refs
from prunus.labels import Axes, KeepMask
from prunus.labels.union_find import Ids
from prunus.ops import OPS, Site


def kept_after(coupling: Coupling, plan: Plan) -> KeepMask:
    """What is left everywhere after a plan.

    A channel is removed if all of its positions are. Raises `InputError` if the plan takes positions that don't make
    up whole channels of this model.
    """
    cuts = plan.by_tensor()
    kept = KeepMask(coupling.labels, _removed(coupling, cuts))
    if any(not kept.mask(ids).any() for ids in coupling.findings.parts):
        raise InputError(
            "The plan empties a part of the network",
            "a split would have nothing on one side",
            "keep a unit of each part",
        )
    if unknown := cuts.keys() - coupling.tensors.keys():
        raise _foreign(min(unknown))
    gone = kept.gone(list(coupling.roots.values())) if coupling.roots else []
    for (name, dim), count in zip(coupling.roots, gone, strict=True):
        if count != len(cuts.get(name, {}).get(dim, ())):
            raise _foreign(name)
    return kept


def kept_of_held(coupling: Coupling, plan: Plan, held: Collection[str]) -> KeepMask:
    """What is left after a plan that was made with another graph of the same model, which may use other tensors of it.

    held: tensors that are as the plan left them; others have names that mean something in one graph alone.
    Raises `InputError` if one of them does not go with what is left in this graph.
    """
    used = {name: dims for name, dims in plan.by_tensor().items() if name in held and name in coupling.tensors}
    kept = KeepMask(coupling.labels, _removed(coupling, used))
    for (name, dim), labels in coupling.roots.items():
        if name in held and not np.array_equal(np.flatnonzero(~kept.mask(labels)), used.get(name, {}).get(dim, ())):
            raise InputError(
                f"{name!r} does not go with the channels that are left",
                "it was cut for another call, in which it meets other ones or is not used",
                "prune with example inputs that use it so",
            )
    return kept


def _removed(coupling: Coupling, cuts: Mapping[str, Mapping[int, tuple[int, ...]]]) -> Ids:
    """The atoms of which all positions go, in the tensors that are cut."""
    labels = coupling.labels
    there = [np.zeros(0, dtype=np.int64)]  # the labels of all positions
    going = there.copy()
    positions: dict[int, Ids] = {}  # by id: many dimensions lose the very same
    for name, dims in cuts.items():
        for dim, removed in dims.items() if name in coupling.tensors else ():
            roots = coupling.roots.get((name, dim), there[0])
            if id(removed) not in positions:
                positions[id(removed)] = np.array(removed)
            try:
                going.append(roots[positions[id(removed)]])
            except IndexError:
                raise _foreign(name) from None
            there.append(roots)
    every, some = (np.bincount(np.concatenate(ids), minlength=labels.size) for ids in (there, going))
    known = np.flatnonzero(every)
    places, atoms = labels.spread(known)
    counts = [count[known][places] for count in (every, some)]
    total, gone = (np.bincount(atoms, count, labels.size) for count in counts)
    return np.flatnonzero((gone > 0) & (gone == total))


def _foreign(tensor: str) -> InputError:
    return InputError(
        f"The plan does not fit {tensor!r}",
        "it removes something that is not a whole channel of this model",
        "use the plan with the model that it was made for",
    )


def rewritten(graph: Graph, values: Mapping[str, Any], coupling: Coupling, kept: KeepMask) -> tuple[Node, ...]:
    """All nodes of a graph, with `rewrite_node`."""
    return tuple(rewrite_node(node, values, coupling, kept) for node in graph.nodes)


def rewrite_node(node: Node, values: Mapping[str, Any], coupling: Coupling, kept: KeepMask) -> Node:
    """One node with its written sizes adapted; the same node if nothing of its tensors goes."""
    rewrite = OPS[node.kind].rewrite if node.kind in OPS else None
    if rewrite is None:
        return node
    args = replace_refs(node.args, lambda ref: values[ref.name])
    result = values[node.name]
    results = result if isinstance(result, tuple) else (result,)
    if not any(isinstance(axes, Axes) and kept.touches(axes) for axes in (*results, *args)):
        return node
    return rewrite(Site(node, args, results, coupling.findings.counts, kept))
