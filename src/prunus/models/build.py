"""From the part that a specification names to a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunus.errors import InputError, nearest
from prunus.models.source import FAMILIES, MODELS, ModelSource
from prunus.models.user_function import UserModel
from prunus.spec.part import Part
from prunus.spec.plugin import make
from prunus.user_code import is_reference

if TYPE_CHECKING:
    from torch import nn

FUNCTION = "file.py:FUNCTION"
NOT_YET = {"hf": "networks of Hugging Face are not supported yet"}


def build_model(part: Part, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build the network that a part names, with fresh weights drawn from torch's global generator.

    input_shape: of one sample, without the batch. Raises `InputError` if it cannot be built for that shape.
    """
    return model_source(part).build(input_shape, classes)


def model_source(part: Part) -> ModelSource:
    """The source that a part names, its settings validated: `NAME`, `FAMILY:NAME` or `path/file.py:function`.

    Raises `InputError` with the nearest names.
    """
    if is_reference(part.name):
        return UserModel(function=part.name, settings=part.settings)
    family, colon, architecture = part.name.partition(":")
    if family in NOT_YET:
        raise InputError(f"There is no model {part.name!r}", NOT_YET[family], "name a function that builds it")
    if colon and family in FAMILIES:
        return FAMILIES.get(family)(architecture=architecture, settings=part.settings)
    if part.name not in MODELS:
        raise InputError(f"There is no model {part.name!r}", "", nearest(part.name, model_names()))
    return make(MODELS, part)


def model_names() -> tuple[str, ...]:
    """All that a study can name as its model; those with `:` stand for many, which `family_names` spells out."""
    return (*MODELS.names(), *(f"{family}:NAME" for family in FAMILIES), FUNCTION)


def family_names(family: str) -> tuple[str, ...]:
    """All networks of a family, `torchvision:resnet18` and so on. Imports its library."""
    return tuple(f"{family}:{name}" for name in FAMILIES.get(family).architectures())
