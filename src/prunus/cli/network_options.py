"""The arguments and options by which commands name a network and data; see `named_network` and `named_data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help="A network's name, as `prunus list models` shows it, or file.py:function.")]
Shape = Annotated[str | None, typer.Option("--input", help="Shape of one input, such as 3,224,224.")]
Classes = Annotated[int | None, typer.Option(min=1, help="Number of classes; without it, the network's own.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the network, such as width=16.")
]
Weights = Annotated[Path | None, typer.Option(help="A safetensors file; without it, weights are fresh.")]

DATA_HELP = "A data set's name, as `prunus list data` shows it, or file.py:function."
DataSettings = Annotated[
    list[str] | None,
    typer.Option("--data-set", metavar="KEY=VALUE", help="A setting of the data, such as folder=images."),
]
