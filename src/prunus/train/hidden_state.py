"""What a training keeps beside its `state_dict`s: in its networks' attributes and in the variables of the user's files.

A network may count its steps, draw from a generator of its own, hold a buffer that is not persistent, or an average in
a list; a function of the user's may count in a variable of its file. All of it belongs into a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

import prunus.train.object_kinds  # noqa: F401  # registers the kinds
from prunus.train.object_state import MISSING, Loader, Node, NotRestorableError, Saver

if TYPE_CHECKING:
    from prunus.train.state import TrainingState

OF_ALL_MODULES = frozenset(vars(nn.Module()))
"""Attributes that torch gives every module."""

HELD = ("_modules", *(name for name in OF_ALL_MODULES if name.endswith("_hooks")))
"""Attributes whose values are objects that a checkpoint cannot exchange."""

Hidden = tuple[dict[str, Node], dict[str, Tensor]]
"""What was written down, and the tensors in it, both by path."""


def hidden_state(state: TrainingState) -> Hidden:
    """All that is not in the `state_dict`s; tensors that are as they were at first are left out."""
    saver = _walk(state, state.constants)
    return saver.nodes, saver.tensors


def restore_hidden(state: TrainingState, nodes: Mapping[str, Node], tensors: Mapping[str, Tensor]) -> None:
    """Put it back. Raises `NotRestorableError` for an object that was made later and cannot be made again."""
    loader, before = Loader(nodes, tensors, _named(state)), _skeleton(state)
    for path, root in _roots(state).items():
        if path in nodes:
            loader.load(path, root)
    if _skeleton(state) != before:
        raise NotRestorableError("The network has other parts", "modules, parameters or hooks were exchanged", "")


def _skeleton(state: TrainingState) -> list[tuple[object, ...]]:
    """What a network consists of, whatever the values are: modules, parameters, names of buffers, hooks."""
    found: list[tuple[object, ...]] = [(name, id(tensor)) for name, tensor in _named(state).items()]
    for module in {state.model: None, state.pruner.model: None}:
        for name, part in module.named_modules():
            inner = {key: value for key, value in vars(part).items() if key in OF_ALL_MODULES}
            kinds = [(key, *map(repr, value)) for key, value in inner.items() if isinstance(value, (dict, set))]
            values = [id(each) for key in HELD if key in inner for each in inner[key].values()]
            found.append((name, id(part), *kinds, *values))
    return found


class Attributes:
    """What a network keeps beside its tensors at one moment, so that what changes later can be told."""

    def __init__(self, network: nn.Module, modules: Mapping[str, ModuleType]) -> None:
        self.network, self.modules = network, modules
        self.before = self._walk()

    def carry_over(self, whole: nn.Module) -> None:
        """Give another network of the same classes the attributes that have changed since then.

        Tensors are left to whoever knows how their sizes differ, where the other network has one of the name.
        """
        now, small = self._walk(), dict(self.network.named_modules())
        loader = Loader(now.nodes, now.tensors, {f"model/{name}": one for name, one in _tensors(whole).items()})
        changed = [path for path in now.nodes if _found(now, path) != _found(self.before, path)]
        for name, module in whole.named_modules() if changed else ():
            root = "".join(["model", *(f"._modules[{part!r}]" for part in name.split(".") if part)])
            for key in [key for key in vars(small.get(name, module)) if key not in OF_ALL_MODULES]:
                old, path = vars(module).get(key, MISSING), f"{root}.{key}"
                inner = (f"{path}.", f"{path}[")
                if not isinstance(old, Tensor) and any(one == path or one.startswith(inner) for one in changed):
                    with suppress(NotRestorableError, KeyError):  # whatever is made anew by every cut cannot go on
                        vars(module)[key] = loader.load(path, old)

    def _walk(self) -> Saver:
        saver = Saver({f"model/{name}": one for name, one in _tensors(self.network).items()}, self.modules, {})
        saver.save("model", self.network)
        return saver


def _found(saver: Saver, path: str) -> tuple[Node | None, int | None]:
    return saver.nodes.get(path), saver.fingerprints.get(path)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return network.state_dict(keep_vars=True)


def variables(modules: Mapping[str, ModuleType]) -> Hidden:
    """The variables of modules, written down without a network."""
    saver = Saver({}, modules, {})
    for path, module in _by_file(modules).items():
        saver.save(path, module)
    return saver.nodes, saver.tensors


def restore_variables(hidden: Hidden, modules: Mapping[str, ModuleType]) -> None:
    """Put back what `variables` found."""
    loader = Loader(*hidden, {})
    for path, module in _by_file(modules).items():
        if path in hidden[0]:
            loader.load(path, module)


def fingerprints(state: TrainingState) -> dict[str, int]:
    """Fingerprints of all tensors beside the `state_dict`s, by path."""
    try:
        return _walk(state, None).fingerprints
    except NotRestorableError:  # every checkpoint will say so
        return {}


def _walk(state: TrainingState, constants: Mapping[str, int] | None) -> Saver:
    saver = Saver(_named(state), state.modules, constants)
    for path, root in _roots(state).items():
        try:
            saver.save(path, root)
        except NotRestorableError:
            raise
        except Exception as error:  # of an object of anybody's, that computes when it is looked at
            what = f"The attributes of {path} cannot be walked through"
            raise NotRestorableError(what, f"{type(error).__name__}: {error}", "") from None
    return saver


def _roots(state: TrainingState) -> dict[str, Any]:
    """Where the search begins: the network that is trained, the whole one beside it, and the user's files."""
    networks = {"model": state.model} | ({"whole": state.pruner.model} if state.plan is not None else {})
    return networks | _by_file(state.modules)


def _by_file(modules: Mapping[str, ModuleType]) -> dict[str, ModuleType]:
    return {module.__file__ or name: module for name, module in modules.items()}


def _named(state: TrainingState) -> dict[str, Tensor]:
    """The tensors that a checkpoint holds by their names; `widen` holds_zeros those of the whole network."""
    networks = {"model": state.model, "whole": state.pruner.model}
    return {
        f"{root}/{name}": tensor
        for root, network in networks.items()
        for name, tensor in network.state_dict(keep_vars=True).items()
    }
