"""From a plan back to the channels that it removes, for a network that is wired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prunus.errors import InputError
from prunus.graph import Wiring
from prunus.graph.forest import Ids
from prunus.graph.kept import Kept
from prunus.surgery.plan import Plan


def kept_after(wiring: Wiring, plan: Plan) -> Kept:
    """What is left everywhere after a plan.

    A channel is removed if all of its positions are. Raises `InputError` if the plan takes positions that don't make
    up whole channels of this model.
    """
    cuts = plan.by_tensor()
    kept = Kept(wiring.labels, _removed(wiring, cuts))
    if any(not kept.mask(ids).any() for ids in wiring.findings.parts):
        raise InputError(
            "The plan empties a part of the network",
            "a split would have nothing on one side",
            "keep a unit of each part",
        )
    if unknown := cuts.keys() - wiring.tensors.keys():
        raise _foreign(min(unknown))
    gone = kept.gone(list(wiring.roots.values())) if wiring.roots else []
    for (name, dim), count in zip(wiring.roots, gone, strict=True):
        if count != len(cuts.get(name, {}).get(dim, ())):
            raise _foreign(name)
    return kept


def _removed(wiring: Wiring, cuts: Mapping[str, Mapping[int, tuple[int, ...]]]) -> Ids:
    """The atoms of which all positions go, in the tensors that are cut."""
    labels = wiring.labels
    there = [np.zeros(0, dtype=np.int64)]  # the labels of all positions
    going = there.copy()
    positions: dict[int, Ids] = {}  # by id: many dimensions lose the very same
    for name, dims in cuts.items():
        for dim, removed in dims.items() if name in wiring.tensors else ():
            roots = wiring.roots.get((name, dim), there[0])
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
