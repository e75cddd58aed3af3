"""From the part that a specification names, or a function of the user's own, to a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from prunus.errors import InputError, nearest
from prunus.models.huggingface import HuggingFace, folder_of
from prunus.models.source import FAMILIES, MODELS, ModelSource
from prunus.spec.load import HF
from prunus.spec.part import Part, make
from prunus.system.user_code import is_reference, load_function

if TYPE_CHECKING:
    from torch import nn

FUNCTION = "file.py:FUNCTION"
FOLDER = f"{HF}FOLDER"


def build_model(part: Part, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build the network that a part names, with fresh weights drawn from torch's global generator, whatever it says.

    Args:
        part: a registered name, `torchvision:NAME`, `timm:NAME`, `hf:FOLDER` or `path/file.py:function`, with settings.
        input_shape: of one sample, without the batch.
        classes: how many scores the network gives for one sample.

    Returns:
        The network, in training mode: (n, *input_shape) -> (n, classes).

    Raises:
        InputError: it cannot be built, or not for that shape.
        MissingError: the library it comes from is not installed.

    Example:
        >>> import torch
        >>> network = build_model(Part(name="mlp", settings={"hidden": [16]}), (1, 8, 8), 10)
        >>> network(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    return model_source(part).build(input_shape, classes)


def without_weights(part: Part) -> tuple[Part, str | None]:
    """The architecture that a part names, and the file or folder with its trained weights, if it names one.

    >>> without_weights(Part(name="mlp", settings={"hidden": [8], "weights": "trained.pt"}))
    (Part(name='mlp', settings={'hidden': [8]}), 'trained.pt')
    >>> without_weights(Part(name="hf:trained"))
    (Part(name='hf:trained', settings={}), 'trained')
    """
    settings = dict(part.settings)
    weights = settings.pop("weights", folder_of(part.name))
    if weights is not None and not (isinstance(weights, str) and weights):
        raise InputError(f"model.weights is {weights!r}", "it names one file", 'write weights = "trained.safetensors"')
    return Part(name=part.name, settings=settings), weights


def model_source(part: Part) -> ModelSource:
    """The source that a part names: `NAME`, `FAMILY:NAME`, `hf:FOLDER` or `path/file.py:function`.

    Its settings are checked; trained weights that the part names are left to the caller. Raises `InputError` with the
    nearest names.
    """
    part, _ = without_weights(part)
    if is_reference(part.name):
        return UserModel(function=part.name, settings=part.settings)
    if folder := folder_of(part.name):
        if part.settings:
            why = "its configuration is in its folder"
            raise InputError(f"The model {part.name!r} has no setting {next(iter(part.settings))!r}", why, "remove it")
        return HuggingFace(folder=folder)
    family, colon, architecture = part.name.partition(":")
    if colon and (family in FAMILIES or family in FAMILIES.broken()):
        kind = FAMILIES.get(family)
        refuse_loading(part.name, part.settings, kind.WORDS)
        return kind(architecture=architecture, settings=part.settings)
    if part.name not in MODELS and part.name not in MODELS.broken():
        of_library = next(_in_families(part.name), None)
        do = f"did you mean {of_library!r}?" if of_library else nearest(part.name, model_names())
        raise InputError(f"There is no model {part.name!r}", "", do)
    return make(MODELS, part)


def model_names() -> tuple[str, ...]:
    """All that a study can name as its model; those with `:` stand for many, which `family_names` spells out."""
    return (*MODELS.names(), *(f"{family}:NAME" for family in FAMILIES), FOLDER, FUNCTION)


def _in_families(architecture: str) -> Iterator[str]:
    """The names under which libraries have it; a library that is missing, or breaks, has none."""
    for family in FAMILIES.names():
        with suppress(Exception):
            if architecture in FAMILIES.get(family).architectures():
                yield f"{family}:{architecture}"


def family_names(family: str) -> tuple[str, ...]:
    """All networks of a family, `torchvision:resnet18` and so on. Imports its library."""
    return tuple(f"{family}:{name}" for name in FAMILIES.get(family).architectures())


class UserModel(ModelSource):
    """The `nn.Module` that `path/file.py:function` returns when it is called with the settings as keywords.

    The function, or class, is given `input_shape` and `classes` too if it names them. What it gives these two as
    defaults is used when there are no data.
    """

    function: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def default_input_shape(self) -> tuple[int, ...]:
        """The default of the function's own `input_shape`. Raises `InputError` if it has none."""
        shape = load_function(self.function).default("input_shape")
        if shape is None:
            raise InputError(
                f"The input shape of {self.function} is not known",
                "the function has no default for 'input_shape'",
                "name the shape, or give the function that default",
            )
        return tuple(int(size) for size in shape)

    @property
    def default_classes(self) -> int:
        """The default of the function's own `classes`, or 10."""
        return int(load_function(self.function).default("classes") or 10)

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Run the user's file and function."""
        from torch import nn

        function = load_function(self.function)
        known = {"input_shape": input_shape, "classes": classes or None}
        given = {key: value for key, value in known.items() if key in function.keywords and value is not None}
        model = function(**given, **self.settings)
        if not isinstance(model, nn.Module):
            raise InputError(
                f"The function {self.function} returned {type(model).__name__}",
                "a model function returns a torch.nn.Module",
                "correct what it returns",
            )
        return model.train()


# Constructors of other libraries load weights from files and addresses that a setting names, and some unpickle what is
# found there. A study may come from a stranger, so nothing passes that could name either: numbers do, words only where
# the source of the networks says that a setting takes one.
LOADING = ("pretrained", "weights", "checkpoint", "cache")
"""What the names of settings begin with that have weights fetched, be their value only `true`."""


def refuse_loading(model: str, settings: Mapping[str, JsonValue], words: frozenset[str]) -> None:
    """Raise `InputError` for the first setting that may have the constructor load something.

    words: the settings that may be words, and tables in which there are words.
    """
    for key, value in settings.items():
        if key.lower().startswith(LOADING):
            why = "weights start fresh, and a study names no files to a library"
            raise InputError(f"The model {model!r} has no setting {key!r}", why, "remove it")
        if found := next(_other_than_numbers(key, value, words), ""):
            raise InputError(
                f"The setting {found!r} of the model {model!r} is not taken",
                "a text could name a file or an address that the library would load",
                "give numbers alone, or name a function of your own that builds the network (file.py:function)",
            )


def _other_than_numbers(key: str, value: JsonValue, words: frozenset[str]) -> Iterator[str]:
    """The keys under which there is a text that could name something, or a table that may not be there."""
    if isinstance(value, str):
        if key not in words or not value.replace("_", "").isalnum():
            yield key
    elif isinstance(value, list):
        for each in value:
            yield from _other_than_numbers(key, each, words)
    elif isinstance(value, dict):
        if key not in words:
            yield key
        for name, each in value.items():
            yield from _other_than_numbers(name, each, words)
