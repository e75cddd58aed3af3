"""From a plan back to the channels that it removes, for a network that is wired."""

from __future__ import annotations

from collections import Counter

from prunus.errors import InputError
from prunus.graph import Wiring
from prunus.graph.axes import Axes, Axis
from prunus.graph.kept import Kept
from prunus.graph.labels import Labels
from prunus.surgery.plan import Plan


def kept_after(wiring: Wiring, plan: Plan) -> Kept:
    """What is left everywhere after a plan.

    A channel is removed if all of its positions are. Raises `InputError` if the plan takes positions that don't make
    up whole channels of this model.
    """
    labels = wiring.labels
    total: Counter[int] = Counter()
    gone: Counter[int] = Counter()
    cuts = plan.by_tensor()
    for name, axes in wiring.tensors.items():
        for dim, positions in cuts.get(name, {}).items():
            roots = labels.roots(_dimension(name, axes, dim).labels)
            total.update(roots.tolist())
            gone.update(roots[_valid(name, len(roots), positions)].tolist())
    total, gone = _by_atom(labels, total), _by_atom(labels, gone)
    removed = {atom for atom, count in gone.items() if count == total[atom]}
    kept = Kept(wiring.labels, removed)
    if any(not kept.mask(ids).any() for ids in wiring.findings.parts):
        raise InputError(
            "The plan empties a part of the network",
            "a split would have nothing on one side",
            "keep a unit of each part",
        )
    if unknown := cuts.keys() - wiring.tensors.keys():
        raise _foreign(min(unknown))
    for name, axes in wiring.tensors.items():
        gone_here = {dim: len(positions) for dim, positions in cuts.get(name, {}).items()}
        if any(axis.size - kept.count(axis) != gone_here.get(dim, 0) for dim, axis in enumerate(axes.axes)):
            raise _foreign(name)
    return kept


def _by_atom(labels: Labels, counts: Counter[int]) -> Counter[int]:
    """Positions per atom, from positions per label."""
    found: Counter[int] = Counter()
    for label, count in counts.items():
        for atom in labels.atoms(label):
            found[atom] += count
    return found


def _dimension(name: str, axes: Axes, dim: int) -> Axis:
    if dim >= axes.rank:
        raise _foreign(name)
    return axes[dim]


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
