"""Building a network by its name: what a `Builder` points at when the network was not cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import JsonValue

from prunus.measure.variant import Builder
from prunus.spec import Part

if TYPE_CHECKING:
    from torch import nn


def named_model(model: Part, input_shape: tuple[int, ...], classes: int) -> Builder:
    """The builder of a model that a specification names."""
    arguments: dict[str, JsonValue] = {
        "model": model.model_dump(mode="json"),
        "input_shape": list(input_shape),
        "classes": classes,
    }
    return Builder(function=f"{__name__}:build", arguments=arguments)


def build(model: JsonValue, input_shape: list[int], classes: int) -> nn.Module:
    """Build it, from JSON."""
    from prunus.models import build_model

    return build_model(Part.model_validate(model), tuple(input_shape), classes)
