"""`prunus inspect`: what could be pruned of a network by channels, before anything is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from prunus.cli.named_network import Classes, Model, OutputNames, Settings, Shape, Weights, named_network
from prunus.cli.terminal import plain, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunus.coupling import ChannelGroup


def inspect(
    model: Model,
    shape: Shape = None,
    classes: Classes = None,
    settings: Settings = None,
    weights: Weights = None,
    protect: Annotated[list[str] | None, typer.Option(help="A layer to leave alone, by name or pattern.")] = None,
    outputs: OutputNames = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, positions included.")] = False,
) -> None:
    """List the groups of coupled channels: their size, what makes them, and why any of them can't be pruned."""
    import torch

    from prunus.coupling import channel_groups

    network = named_network(model, shape, classes, settings, weights)
    groups = channel_groups(network.model.eval(), torch.zeros(2, *network.input_shape), protect or (), outputs=outputs)
    if as_json:
        typer.echo(_as_json(groups))
        return
    _print(model, groups)


def _as_json(groups: Sequence[ChannelGroup]) -> str:
    import dataclasses
    import json

    return json.dumps([dataclasses.asdict(group) for group in groups], indent=2)


def _print(model: str, groups: Sequence[ChannelGroup]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=plain(f"Channels of {model}, in the order of execution"))
    table.add_column("group", overflow="fold")
    table.add_column("units", justify="right")
    table.add_column("made by", overflow="fold")
    table.add_column("read by", overflow="fold")
    table.add_column("left alone because", overflow="fold")
    for group in groups:
        made, read = (
            ", ".join(dict.fromkeys(member.layer for member in members))
            for members in (group.producers, group.consumers)
        )
        table.add_row(plain(group.name), f"{group.units:,}", plain(made), plain(read), plain(group.protected or ""))
    console = Console()
    print_table(console, table)
    free = [group for group in groups if group.protected is None]
    console.print(f"{len(free)} of {len(groups)} groups can be pruned, {sum(group.units for group in free):,} units.")
