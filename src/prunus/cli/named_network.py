"""The network and the data that a command line names, and the arguments and options by which it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunus.errors import InputError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from torch import nn

    from prunus.data import Dataset
    from prunus.spec import Part

Model = Annotated[str, typer.Argument(help="A network's name, as `prunus list models` shows it, or file.py:function.")]
Shape = Annotated[str | None, typer.Option("--input", help="Shape of one input, such as 3,224,224.")]
Classes = Annotated[int | None, typer.Option(min=1, help="Number of classes; without it, the network's own.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the network, such as width=16.")
]
Weights = Annotated[
    Path | None, typer.Option(help="A safetensors file, or .pt of torch.save; without it, weights are fresh.")
]

OutputNames = Annotated[
    list[str] | None,
    typer.Option("--outputs", help="An output that keeps its width, by name or pattern; without it, all results do."),
]

DATA_HELP = "A data set's name, as `prunus list data` shows it, or file.py:function."
DataSettings = Annotated[
    list[str] | None,
    typer.Option("--data-set", metavar="KEY=VALUE", help="A setting of the data, such as folder=images."),
]


def named_data(name: str, settings: list[str] | None, *, indices: bool = True) -> Dataset:
    """Load the data set. Raises `InputError` for a name that is unknown, `MissingError` for files not there.

    indices: whether targets are indices of classes.
    """
    from prunus.data import load_data

    return load_data(part_of(name, settings or []), indices=indices)


@dataclass(frozen=True)
class NamedNetwork:
    """A network, what it was built for, and how to build it again."""

    model: nn.Module
    part: Part
    input_shape: tuple[int, ...]
    classes: int


def named_network(
    name: str,
    shape: Any,
    classes: int | None,
    settings: list[str] | None,
    weights: Path | None,
    *,
    seed: int = 0,
) -> NamedNetwork:
    """Build the network, for its own default input where none is given, and read its weights, or those of its folder.

    shape: of one input, also as text; of several, a tree of shapes.
    seed: of fresh weights. A file that tells of a cut gives the cut network.
    """
    import torch

    from prunus.models import build_model, model_source, without_weights

    part = part_of(name, settings or [])
    source = model_source(part)
    given = input_shape_of(shape) if isinstance(shape, str) else shape
    input_shape = given or source.default_input_shape
    classes = classes or source.default_classes
    torch.manual_seed(seed)
    model = build_model(part, input_shape, classes)
    if trained := weights or without_weights(part)[1]:
        from prunus.export import read_network

        model = read_network(trained, lambda: build_model(part, input_shape, classes))
    return NamedNetwork(model, part, input_shape, classes)


def part_of(name: str, settings: list[str]) -> Part:
    """A part by name, with settings as `--set` has them."""
    from prunus.spec import Part
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
