"""From a plan back to the channels that it removes, for a network that is wired."""

from __future__ import annotations

import numpy as np

from prunus.errors import InputError
from prunus.graph import Wiring
from prunus.graph.kept import Kept
from prunus.surgery.plan import Plan


def kept_after(wiring: Wiring, plan: Plan) -> Kept:
    """What is left everywhere after a plan.

    A channel is removed if all of its positions are. Raises `InputError` if the plan takes positions that don't make
    up whole channels of this model.
    """
    total: dict[int, int] = {}
    gone: dict[int, int] = {}
    cuts = plan.by_tensor()
    for name, axes in wiring.tensors.items():
        positions = cuts.get(name, {})
        for dim, axis in enumerate(axes.axes):
            ids, counts = np.unique(wiring.labels.roots(axis.labels), return_counts=True)
            _add(wiring, total, ids, counts)
            if dim in positions:
                where = wiring.labels.roots(axis.labels[_valid(name, axis.size, positions[dim])])
                _add(wiring, gone, *np.unique(where, return_counts=True))
    removed = {atom for atom, count in gone.items() if count == total[atom]}
    kept = Kept(wiring.labels, removed)
    if any(not kept.mask(ids).any() for ids in wiring.findings.parts):
        raise InputError(
            "The plan empties a part of the network",
            "a split would have nothing on one side",
            "keep a unit of each part",
        )
    for cut in plan.cuts:
        cut_axes = wiring.tensors.get(cut.tensor)
        if cut_axes is None or kept.count(cut_axes[cut.dim]) != cut_axes[cut.dim].size - len(cut.removed):
            raise _foreign(cut.tensor)
    return kept


def _add(wiring: Wiring, counts: dict[int, int], ids: np.ndarray, times: np.ndarray) -> None:
    for label, count in zip(ids.tolist(), times.tolist(), strict=True):
        for atom in wiring.labels.atoms(label):
            counts[atom] = counts.get(atom, 0) + count


def _valid(name: str, size: int, positions: tuple[int, ...]) -> list[int]:
    if max(positions) >= size:
        raise _foreign(name)
    return list(positions)


def _foreign(tensor: str) -> InputError:
    return InputError(
        f"The plan does not fit {tensor!r}",
        "it removes something that is not a whole channel of this model",
        "use the plan with the model that it was made for",
    )
