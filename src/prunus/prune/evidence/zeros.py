"""How often what a layer reads is zero, over all that the network is shown while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunus.errors import InputError
from prunus.prune.evidence.evidence import Gathering, Tensors
from prunus.prune.evidence.inputs import readers, sums_of_inputs
from prunus.prune.evidence.samples import totals_of

ZEROS, SEEN = "zeros/", "seen/"


class ZeroShares(Gathering):
    """At each weight the share of zeros, over inputs and positions, among all that it was multiplied with."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__(model, names)
        weights = [model.get_parameter(name) for name in names]
        for part in (ZEROS, SEEN):
            totals = totals_of(weights)
            self.state |= {f"{part}{name}": total for name, total in zip(names, totals, strict=True)}
        watched = readers(model, weights)
        self._handles = [layer.register_forward_pre_hook(self._add, with_kwargs=True) for layer in watched]

    @torch.no_grad()
    def _add(self, layer: nn.Module, *arguments: Any) -> None:
        """Before a layer runs; evaluations in between are of other inputs, and do not count."""
        if not layer.training or torch.compiler.is_exporting():
            return
        by_weight = {id(self.model.get_parameter(name)): name for name in self.names}
        for part, of in ((ZEROS, _is_zero), (SEEN, torch.ones_like)):
            for weight, found in sums_of_inputs(layer, arguments, of):
                if name := by_weight.get(id(weight)):
                    self.state[f"{part}{name}"] += found

    def stop(self) -> None:  # noqa: D102
        for handle in self._handles:
            handle.remove()

    def found(self) -> Tensors:  # noqa: D102
        unseen = [name for name in self.names if not self.state[f"{SEEN}{name}"].any()]
        if unseen:
            raise InputError(
                f"How often the inputs of {unseen[0]!r} are zero is not known",
                "its layer was not called in training mode",
                "train the network before it is pruned, and protect layers that take no part in it",
            )
        return {name: self.state[f"{ZEROS}{name}"] / self.state[f"{SEEN}{name}"].clamp_min(1) for name in self.names}


def _is_zero(sizes: Tensor) -> Tensor:
    return (sizes == 0).to(sizes.dtype)
