"""Which layers of a network can be pruned, and which of them are protected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunus.errors import InputError, nearest
from prunus.prune.evidence.samples import call
from prunus.trace.inventory import is_linear, is_transposed

IN_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
"""Weights that `nn.MultiheadAttention` may hold itself."""


@dataclass(frozen=True)
class PrunableLayer:
    """A convolution, a linear layer or a projection of `nn.MultiheadAttention`, by name.

    name: its module's, or of a projection that is a parameter only, the parameter's. weight: its weight's name. output:
    whether the network ends in it. computed: whether its weight is no parameter, but computed from others, as under
    weight normalisation. attention: whether it is such a projection, which the attention carries out by itself.
    transposed: whether its weight is (inputs, outputs), as in transformers' `Conv1D`.
    """

    name: str
    weight: str
    output: bool
    computed: bool = False
    attention: bool = False
    transposed: bool = False

    @property
    def module(self) -> str:
        """The name of the module that holds the weight."""
        return self.weight.rpartition(".")[0]


def prunable_layers(model: nn.Module, example_inputs: Any) -> tuple[PrunableLayer, ...]:
    """All layers with weights to prune in the order in which they run; a weight that two layers share counts once.

    The model runs once, in evaluation mode, to find the order; layers that do not run are left out. The last one to
    run is the output layer. example_inputs: a tensor, a tuple of positional or a dictionary of named arguments.

    Raises `InputError` if the model does not run on them.
    """
    candidates = {module: _layers_of(name, module) for name, module in model.named_modules()}
    order = [layer for module in _run(model, example_inputs, candidates) for layer in candidates[module]]
    first_use: dict[Tensor | str, PrunableLayer] = {}
    for layer, shared in order:
        first_use.setdefault(shared, layer)
    last = order[-1][1] if order else None
    return tuple(replace(layer, output=shared is last) for shared, layer in first_use.items())


def _run(model: nn.Module, example_inputs: Any, candidates: Mapping[nn.Module, Sequence[Any]]) -> list[nn.Module]:
    """The modules that have candidates, in the order in which they ran."""
    order: list[nn.Module] = []
    handles = [
        module.register_forward_hook(lambda m, _inputs, _output: order.append(m))
        for module, layers in candidates.items()
        if layers
    ]
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
    return order


def _layers_of(name: str, module: nn.Module) -> list[tuple[PrunableLayer, Tensor | str]]:
    """The layers that a module carries out, each with what makes two layers one.

    That is their parameter; a weight that is computed belongs to its layer alone.
    """
    if isinstance(module, nn.MultiheadAttention):
        held = {f"{name}.{key}".lstrip("."): getattr(module, key, None) for key in IN_PROJECTIONS}
        weights = {key: (key, weight) for key, weight in held.items()}
        out = f"{name}.out_proj".lstrip(".")
        weights[out] = (f"{out}.weight", module.out_proj.weight)
    elif isinstance(module, _ConvNd) or is_linear(module):
        weights = {name: (f"{name}.weight".lstrip("."), getattr(module, "weight", None))}
    else:
        return []
    attention, found = isinstance(module, nn.MultiheadAttention), []
    for layer, (weight, tensor) in weights.items():
        if isinstance(tensor, Tensor):
            computed = not isinstance(tensor, nn.Parameter)
            one = PrunableLayer(layer, weight, False, computed, attention, is_transposed(module))
            found.append((one, weight if computed else tensor))
    return found


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

    `output` protects nothing in a network that has output layers alone. Raises `InputError` for an entry that fits no
    layer, or if there is nothing to prune.
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
    only_outputs = all(layer.output for layer in layers)
    for entry in protect:
        if entry == "output" and only_outputs:
            continue  # nothing else could be pruned
        hit = {layer.name for layer in layers if _fits(layer, entry)}
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


def _fits(layer: PrunableLayer, entry: str) -> bool:
    """Whether an entry names the layer; the name of an attention stands for its projections."""
    if entry == "output" and layer.output:
        return True
    of_attention = layer.attention and fnmatchcase(layer.name.rpartition(".")[0], entry)
    return of_attention or fnmatchcase(layer.name, entry)
