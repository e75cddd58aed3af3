"""Which layers of a network can be pruned, and which of them are protected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError, nearest


@dataclass(frozen=True)
class PrunableLayer:
    """A convolution or linear layer: its module's name, its weight's name, and whether the network ends in it."""

    name: str
    weight: str
    output: bool


def prunable_layers(model: nn.Module, example_inputs: Tensor) -> tuple[PrunableLayer, ...]:
    """All convolution and linear layers in the order in which they run; a weight that two layers share counts once.

    The model runs once, in evaluation mode, to find the order; layers that do not run are left out. The last one to
    run is the output layer.
    """
    candidates: dict[nn.Module, str] = {
        module: name
        for name, module in model.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear)) and isinstance(getattr(module, "weight", None), nn.Parameter)
    }
    order: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda m, _inputs, _output: order.append(m)) for module in candidates]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(example_inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    first_use: dict[nn.Parameter, nn.Module] = {}
    for module in order:
        first_use.setdefault(module.weight, module)  # type: ignore[arg-type]  # checked to be a Parameter above
    last = order[-1].weight if order else None
    return tuple(
        PrunableLayer(candidates[module], f"{candidates[module]}.weight".lstrip("."), weight is last)
        for weight, module in first_use.items()
    )


def protected_layers(layers: Sequence[PrunableLayer], protect: Iterable[str]) -> frozenset[str]:
    """Names of the layers that a recipe protects: `output`, names, or shell patterns such as `features.*`.

    Raises `InputError` for an entry that fits no layer, or if nothing is left to prune.
    """
    protected: set[str] = set()
    for entry in protect:
        hit = {layer.name for layer in layers if fnmatchcase(layer.name, entry) or (entry == "output" and layer.output)}
        if not hit:
            raise InputError(
                f"The protected layer {entry!r} is not in the network",
                "no convolution or linear layer has that name",
                nearest(entry, ["output", *(layer.name for layer in layers)]),
            )
        protected |= hit
    if layers and len(protected) == len(layers):
        raise InputError("Every layer is protected", "there is nothing left to prune", "protect fewer layers")
    return frozenset(protected)
