"""What a model's configuration must say after a cut, so that its class, built from it, is the cut network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from prunus.channels.adapting import Attribute, adapt
from prunus.channels.configuration_search import Chosen, ConfigurationSearch, Found
from prunus.channels.pretrained import leave_out, library_of, outermost, refuse_saving
from prunus.proof import Variation
from prunus.proof.outputs import copied_arguments
from prunus.trace.copying import exact_copy

UNKNOWN = "its class saves itself in a way that prunus does not know"
UNCALLED = "it was not called as a module, so that nothing shows what its class computes"


@dataclass(frozen=True)
class Configured:
    """What became of the configurations in a cut model.

    changed: fields that are other than before. unsaid: module -> why no configuration says what it is now.
    left_out: module -> tensors that it saves itself without, for they are of other sizes than its class has by the
    configuration, and nothing reads them.
    """

    changed: Chosen = ()
    unsaid: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, ...] | None:
        """What is told of it, such as `config.hidden_size = 16`; None if there is a part that no configuration says."""
        if self.unsaid:
            return None
        renamed = (each.model_copy(update={"path": ("config", *each.path[1:])}) for each in self.changed)
        without = [f"{path}.{name}".lstrip(".") for path, names in self.left_out.items() for name in names]
        more = f" and {len(without) - 1} other tensors" if len(without) > 1 else ""
        unread = [f"without {without[0]}{more}, which nothing reads"] if without else []
        return (*(f"{each} = {each.after}" for each in renamed), *unread)


def configure(model: nn.Module, small: nn.Module, ways: Sequence[Variation]) -> Configured:
    """Exchange the fields that must change in the configurations of a cut model, and of models that are parts of it.

    A part of which no configuration says what it is refuses to save itself from then on.
    model: before the cut. ways: in which both are called that are compared.
    """
    changed: list[Attribute] = []
    unsaid: dict[str, str] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    ways = [way for way in ways if way.run is None and not way.train and _takes(small, way)]
    for path in outermost(small):
        found = _configuration_of(path, model, small, ways)
        if isinstance(found, str):
            unsaid[path] = found
            refuse_saving(small.get_submodule(path), found)
        else:
            changed += [each.model_copy(update={"module": path}) for each in found.fields]
            if found.unread:
                left_out[path] = found.unread
                leave_out(small.get_submodule(path), found.unread)
    adapt(small, changed)
    return Configured(tuple(changed), unsaid, left_out)


def _takes(small: nn.Module, way: Variation) -> bool:
    try:
        way.outputs(exact_copy(small), copied_arguments(way.call, False))
    except Exception:  # a network refuses in its own ways
        return False
    return True


def _configuration_of(path: str, model: nn.Module, small: nn.Module, ways: Sequence[Variation]) -> Found | str:
    """The fields of one part, or why none say what it is."""
    part = small.get_submodule(path)
    library = library_of(part)
    if library is None:
        return UNKNOWN
    if path and not (ways := _calls_of(path, small, ways)):
        return UNCALLED
    return ConfigurationSearch(library, model.get_submodule(path), part, ways).found()


def _calls_of(path: str, small: nn.Module, ways: Sequence[Variation]) -> list[Variation]:
    """How a part is called when the whole network is called in these ways."""
    calls: list[Variation] = []

    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append(Variation(way.names, copied_arguments((args, kwargs), False)))

    network = exact_copy(small)
    handle = network.get_submodule(path).register_forward_pre_hook(note, with_kwargs=True)
    for way in ways:
        way.outputs(network, copied_arguments(way.call, False))
    handle.remove()
    return calls
