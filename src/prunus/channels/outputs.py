"""Outputs that a cut makes narrower, since they are only handed on from inside the network: which, and their proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.coupling import Coupling
from prunus.coupling.outputs import output_paths, paths_in
from prunus.graph.node import Ref
from prunus.labels.axes import Axes
from prunus.labels.labels import KeepMask
from prunus.spec.part import Frozen
from prunus.trace.results import plain

Positions: TypeAlias = Mapping[int, tuple[int, Tensor]]
"""Dimension -> its size, and which of its positions are left."""


class ChangedOutput(Frozen):
    """An output that has another width after the cut: its path in what the network returns, and its shapes."""

    name: str
    before: tuple[int, ...]
    after: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name or 'the output'} from {self.before} to {self.after}"


def changed_outputs(coupling: Coupling, kept: KeepMask) -> tuple[ChangedOutput, ...]:
    """The outputs of which channels go."""
    found = touched_outputs(coupling, kept).items()
    return tuple(ChangedOutput(name=path, before=axes.shape, after=kept.shape(axes)) for path, axes in found)


def with_outputs_narrowed(network: nn.Module, coupling: Coupling, kept: KeepMask) -> nn.Module:
    """The masked network itself, which from now on returns of the changed outputs what is kept, to be compared."""
    places: dict[str, Positions] = {
        path: {
            dim: (axis.size, torch.from_numpy(kept.positions(axis.labels)))
            for dim, axis in enumerate(axes.axes)
            if kept.count(axis) != axis.size
        }
        for path, axes in touched_outputs(coupling, kept).items()
    }

    def narrow(_: nn.Module, __: Any, result: Any) -> Any:
        leaves, structure = pytree.tree_flatten(plain(result))
        return pytree.tree_unflatten(
            [_selected(leaf, places.get(path, {})) for path, leaf in zip(paths_in(structure), leaves, strict=True)],
            structure,
        )

    if places:
        network.register_forward_hook(narrow)
    return network


def _selected(value: Any, places: Positions) -> Any:
    if isinstance(value, Tensor):
        for dim, (size, positions) in places.items():
            if dim < value.dim() and value.shape[dim] == size:
                value = value.index_select(dim, positions.to(value.device))
    return value


def touched_outputs(coupling: Coupling, kept: KeepMask) -> dict[str, Axes]:
    """Path -> labels of each output of which something goes."""
    graph, values = coupling.graphs[0], coupling.values[0]
    found = {}
    for path, output in zip(output_paths(graph), graph.outputs, strict=True):
        axes = values.get(output.name) if isinstance(output, Ref) else None
        if isinstance(axes, Axes) and kept.touches(axes):
            found[path] = axes
    return found
