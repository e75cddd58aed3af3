"""Which layers of a network can be pruned, and which of them are protected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError, nearest
from prunus.prune.evidence.samples import call


@dataclass(frozen=True)
class PrunableLayer:
    """A convolution or linear layer: its module's name, its weight's name, and whether the network ends in it.

    computed: whether its weight is no parameter, but computed from others, as under weight normalisation.
    """

    name: str
    weight: str
    output: bool
    computed: bool = False


def prunable_layers(model: nn.Module, example_inputs: Any) -> tuple[PrunableLayer, ...]:
    """All convolution and linear layers in the order in which they run; a weight that two layers share counts once.

    The model runs once, in evaluation mode, to find the order; layers that do not run are left out. The last one to
    run is the output layer. example_inputs: a tensor, a tuple of positional or a dictionary of named arguments.

    Raises `InputError` if the model does not run on them.
    """
    candidates: dict[nn.Module, str] = {
        module: name
        for name, module in model.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear)) and isinstance(getattr(module, "weight", None), Tensor)
    }
    order: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda m, _inputs, _output: order.append(m)) for module in candidates]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            call(model.eval(), example_inputs)
    except InputError:
        raise
    except Exception as error:  # whatever the user's own forward raises
        raise InputError(
            f"{type(model).__name__} does not run on the example inputs",
            (str(error).strip() or type(error).__name__).splitlines()[0],
            "give inputs as the network takes them: a tensor, a tuple of several, or a dictionary of named ones",
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    first_use: dict[Tensor | nn.Module, nn.Module] = {}
    for module in order:
        first_use.setdefault(_shared_by(module), module)
    last = _shared_by(order[-1]) if order else None
    return tuple(
        PrunableLayer(
            candidates[module],
            f"{candidates[module]}.weight".lstrip("."),
            output=shared is last,
            computed=shared is module,
        )
        for shared, module in first_use.items()
    )


def _shared_by(layer: nn.Module) -> Tensor | nn.Module:
    """What makes two layers one: their parameter; a weight that is computed belongs to its layer alone."""
    return layer.weight if isinstance(layer.weight, nn.Parameter) else layer


def refuse_computed(layers: Iterable[PrunableLayer]) -> None:
    """Raises `InputError` for a layer whose weight is no parameter, since a zero in it would not last."""
    for layer in layers:
        if layer.computed:
            raise InputError(
                f"The layer {layer.name!r} cannot be pruned",
                "its weight is no parameter but computed from others, so that zeros in it would not last",
                "undo that (torch.nn.utils.parametrize.remove_parametrizations, torch.nn.utils.prune.remove), or "
                f"protect it (protect = ['output', {layer.name!r}])",
            )


def protected_layers(layers: Sequence[PrunableLayer], protect: Iterable[str]) -> frozenset[str]:
    """Names of the layers that a recipe protects: `output`, names, or shell patterns such as `features.*`.

    Raises `InputError` for an entry that fits no layer, or if there is nothing to prune.
    """
    if isinstance(protect, str):
        raise InputError(f"'protect' is {protect!r}", "it takes a list of layers", f"write [{protect!r}]")
    if not layers:
        raise InputError(
            "The network has nothing to prune",
            "no convolution or linear layer runs in it",
            "prune a network whose layers are torch.nn.Linear, torch.nn.Conv2d and so on",
        )
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
    if len(protected) == len(layers):
        raise InputError("Every layer is protected", "there is nothing left to prune", "protect fewer layers")
    return frozenset(protected)
