"""The network that a command line names: MODEL, `--input` and `--weights`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from prunus.errors import InputError
from prunus.spec import Part

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NamedNetwork:
    """A network, what it was built for, and how to build it again."""

    model: nn.Module
    part: Part
    input_shape: tuple[int, ...]
    classes: int


def named_network(
    name: str,
    shape: str | None,
    classes: int | None,
    settings: list[str] | None,
    weights: Path | None,
    *,
    seed: int = 0,
) -> NamedNetwork:
    """Build the network, for its own default input where none is given, and read its weights.

    seed: of fresh weights. A file that tells of a cut gives the cut network.
    """
    import torch

    from prunus.models import build_model, model_source

    part = part_of(name, settings or [])
    source = model_source(part)
    input_shape = input_shape_of(shape) if shape else source.default_input_shape
    classes = classes or source.default_classes
    torch.manual_seed(seed)
    model = build_model(part, input_shape, classes)
    if weights:
        from prunus.export import read_network

        model = read_network(weights, lambda: build_model(part, input_shape, classes))
    return NamedNetwork(model, part, input_shape, classes)


def part_of(name: str, settings: list[str]) -> Part:
    """A part by name, with settings as `--set` has them."""
    from prunus.spec.load import set_key

    table: dict[str, JsonValue] = {}
    for setting in settings:
        set_key(table, setting)
    return Part(name=name, settings=table)


def input_shape_of(text: str) -> tuple[int, ...]:
    """Read `3,224,224` or `3x224x224`. Raises `InputError` for anything else.

    >>> input_shape_of("3x224x224")
    (3, 224, 224)
    """
    return numbers_of("--input", text)


def numbers_of(option: str, text: str) -> tuple[int, ...]:
    """Read whole numbers above 0, separated by commas or by x. Raises `InputError` that names the option.

    >>> numbers_of("--batch", "1, 64")
    (1, 64)
    """
    try:
        values = tuple(int(piece) for piece in text.replace("x", ",").split(","))
    except ValueError:
        values = (0,)
    if min(values) < 1:
        raise InputError(f"{option} {text!r} cannot be read", "it takes whole numbers above 0", f"write {option} 1,8,8")
    return values
