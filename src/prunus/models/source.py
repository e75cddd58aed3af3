"""What plugs in as a source of networks."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, JsonValue

from prunus.data.dataset import times
from prunus.errors import InputError
from prunus.registry import Registry
from prunus.spec.part import Frozen

if TYPE_CHECKING:  # only for types, so that networks can be listed without importing torch
    from torch import nn


class ModelSource(Frozen, ABC):
    """A source of networks; the fields of a subclass are its settings."""

    @property
    @abstractmethod
    def default_input_shape(self) -> tuple[int, ...]:
        """The shape, without the batch, that the network is made for when there are no data."""

    @property
    @abstractmethod
    def default_classes(self) -> int:
        """The number of classes that the network is made for when there are no data."""

    @abstractmethod
    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """A network from (n, *input_shape) to (n, classes), in training mode, with fresh weights.

        Its randomness is drawn from torch's global generator alone; nothing is downloaded. Raises `InputError` if there
        is no such network for that shape.
        """


class OwnModel(ModelSource):
    """A network of this package, which says what data it is made for."""

    MADE_FOR: ClassVar[tuple[tuple[int, ...], int]]  # input shape, classes

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """The shape of the inputs of those data."""
        return self.MADE_FOR[0]

    @property
    def default_classes(self) -> int:
        """The classes of those data."""
        return self.MADE_FOR[1]


class NamedModel(ModelSource):
    """A network of another library, named `family:architecture`; the settings are passed on to its builder.

    WORDS: the settings that may be words or tables; all others are numbers (`constructor_settings`).
    """

    WORDS: ClassVar[frozenset[str]] = frozenset()

    architecture: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    @abstractmethod
    def architectures(cls) -> tuple[str, ...]:
        """All names in the family. Imports the library; raises `MissingError` if it is not installed."""

    def unknown(self, family: str) -> InputError:
        """The error for an architecture that the library does not have, with the nearest of its many names."""
        close = difflib.get_close_matches(self.architecture, self.architectures(), n=3)
        hint = f"did you mean {' or '.join(repr(name) for name in close)}?" if close else "look for it in its list"
        return InputError(f"There is no model '{family}:{self.architecture}'", f"{family} does not have it", hint)


MNIST = (1, 28, 28), 10
CIFAR10 = (3, 32, 32), 10

MODELS: Registry[type[ModelSource]] = Registry("model", ModelSource)
FAMILIES: Registry[type[NamedModel]] = Registry("model family", NamedModel)


def image_shape(model: str, input_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width). Raises `InputError` for inputs that are no images."""
    if len(input_shape) != 3:
        raise InputError(
            f"The model {model!r} cannot be built for inputs of {times(input_shape)}",
            "it takes images, channels x height x width",
            "choose other data, or the model 'mlp'",
        )
    channels, height, width = input_shape
    return channels, height, width
