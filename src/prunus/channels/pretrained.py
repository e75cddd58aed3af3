"""Models of libraries that save themselves with a configuration, from which their class is built again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from torch import nn

from prunus.errors import InputError


class UnsaidError(InputError):
    """No configuration says what a network is."""


@dataclass(frozen=True)
class Library:
    """How the models of one library keep a configuration, and are built from one.

    module, name: of the class that its models derive from. attribute: of a model, where the configuration is.
    build: of a class and a configuration, a model. is_open: whether a configuration may get fields that it has not.
    may_lack: whether a model is read from a file without some of its tensors, which are made anew then.
    """

    module: str
    name: str
    attribute: str
    build: Callable[[Any, Any], nn.Module]
    is_open: bool = False
    may_lack: bool = False

    def has(self, model: nn.Module) -> bool:
        """Whether the model is one of this library, with a configuration."""
        kind = getattr(sys.modules.get(self.module), self.name, None)
        return kind is not None and isinstance(model, kind) and getattr(model, self.attribute, None) is not None


LEFT_OUT = "_keys_to_ignore_on_save"
"""Where a model of transformers has the names of tensors that it does not save."""


def _without_defaults(kind: Any, config: Any) -> nn.Module:
    """A model of diffusers. Beside the fields a configuration says which of them are defaults, which are not read."""
    model: nn.Module = kind.from_config(
        {name: value for name, value in config.items() if name != "_use_default_values"}
    )
    return model


LIBRARIES = (
    Library("transformers.modeling_utils", "PreTrainedModel", "config", lambda kind, config: kind(config), True, True),
    Library("diffusers.configuration_utils", "ConfigMixin", "_internal_dict", _without_defaults),
    Library(
        "huggingface_hub.hub_mixin", "PyTorchModelHubMixin", "_hub_mixin_config", lambda kind, config: kind(**config)
    ),
)


def library_of(model: nn.Module) -> Library | None:
    """The library by whose ways a model is built from its configuration; None if it is none of those known."""
    return next((library for library in LIBRARIES if library.has(model)), None)


def saves_itself(model: nn.Module) -> bool:
    """Whether the model has a method that saves it in a way of its library's."""
    return callable(getattr(model, "save_pretrained", None))


def outermost(model: nn.Module, path: str = "") -> Iterator[str]:
    """Paths of the modules that save themselves and lie in no other that does."""
    if saves_itself(model):
        yield path
        return
    for name, child in model.named_children():
        yield from outermost(child, f"{path}.{name}".lstrip("."))


def leave_out(model: nn.Module, tensors: Sequence[str]) -> None:
    """Have the model save itself without these tensors, of which its class, built anew, has its own."""
    names = {*(getattr(model, LEFT_OUT, None) or ()), *tensors}
    object.__setattr__(model, LEFT_OUT, names)


def refuse_saving(model: nn.Module, why: str) -> None:
    """Have the model, and the parts of it, refuse to be saved with a configuration that is not their own."""
    for module in model.modules():
        if saves_itself(module):
            object.__setattr__(module, "save_pretrained", partial(_refuse, why))


def _refuse(why: str, *_: Any, **__: Any) -> NoReturn:
    """In place of `save_pretrained`, where no configuration says what the network is."""
    raise UnsaidError(
        "No configuration says what this network is after the cut",
        why,
        "save it with prunus.save(model, path), and read it with prunus.load(path, build); what a configuration can "
        'say are layers that lose the same share (allocation="uniform") and whole heads (heads="whole")',
    )
