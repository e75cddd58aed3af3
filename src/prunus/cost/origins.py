"""Where tensors come from: which of the model's constants, if any, a tensor was made of."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from prunus.graph.inventory import held_tensors


@dataclass(frozen=True)
class Origin:
    """A parameter or another tensor that belongs to a model. `names`: all it goes by, where it is shared."""

    names: tuple[str, ...]
    is_parameter: bool


class Origins:
    """Origin of every tensor that depends on the model's constants and not on its input.

    A tensor computed from constants keeps the origin of the first parameter in it, so a weight is known through views,
    masks and reparametrisations. The result of a product has none: it is an activation.
    """

    def __init__(self, model: nn.Module, inputs: Iterable[Tensor]) -> None:
        self._by_tensor: MutableMapping[Tensor, Origin] = WeakIdKeyDictionary()
        self._activations: MutableMapping[Tensor, bool] = WeakIdKeyDictionary()
        names: dict[int, list[str]] = {}
        constants = held_tensors(model)
        for name, tensor in constants.items():
            names.setdefault(id(tensor), []).append(name)
        for tensor in constants.values():
            self._by_tensor[tensor] = Origin(tuple(names[id(tensor)]), isinstance(tensor, nn.Parameter))
        self._memory = {memory_of(tensor) for tensor in constants.values()}
        self.mark_activations(inputs)

    def owns(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in the memory of one of the model's own."""
        return memory_of(tensor) in self._memory

    def of(self, tensor: Tensor) -> Origin | None:
        """The origin of a tensor, or None."""
        return self._by_tensor.get(tensor)

    def mark_activations(self, tensors: Iterable[Tensor]) -> None:
        """Take these as depending on the input."""
        for tensor in tensors:
            self._activations[tensor] = True
            self._by_tensor.pop(tensor, None)

    def pass_on(self, sources: Iterable[Tensor], results: Iterable[Tensor]) -> None:
        """Results of an operation inherit from its operands."""
        sources = list(sources)
        if any(source in self._activations for source in sources):
            self.mark_activations(results)
            return
        found = [origin for source in sources if (origin := self.of(source))]
        if found:
            best = next((origin for origin in found if origin.is_parameter), found[0])
            for result in results:
                self._by_tensor[result] = best


def memory_of(tensor: Tensor) -> int:
    """Which memory it lies in; those without values have one, too."""
    place: int = tensor.untyped_storage()._cdata
    return place
