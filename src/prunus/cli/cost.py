"""`prunus cost`: what a network costs, computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from prunus.cli.named_network import Classes, Model, Settings, Shape, Weights, named_network
from prunus.cli.terminal import plain, print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from prunus.cost import LayerCost, NetworkCost


def cost(
    model: Model,
    shape: Shape = None,
    classes: Classes = None,
    settings: Settings = None,
    weights: Weights = None,
    weight_bits: Annotated[int, typer.Option(min=1, max=64, help="Bits of a weight, for BOPs.")] = 32,
    activation_bits: Annotated[int, typer.Option(min=1, max=64, help="Bits of an activation, for BOPs.")] = 32,
    layers: Annotated[bool, typer.Option("--layers", help="A row for each layer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Count what a network costs for one input: parameters, MACs and bit operations; nothing is measured."""
    import torch

    from prunus.cost import count_cost

    network = named_network(model, shape, classes, settings, weights)
    counted = count_cost(
        network.model,
        torch.zeros(1, *network.input_shape),
        weight_bits=weight_bits,
        activation_bits=activation_bits,
    )
    if as_json:
        typer.echo(_as_json(model, network.input_shape, counted))
        return
    from rich.console import Console

    console = Console()
    if layers:
        _print_layers(console, counted.layers)
    print_table(console, _totals(model, network.input_shape, counted))


TOTALS = (  # attribute of a NetworkCost -> what it is called
    ("parameters", "parameters"),
    ("nonzero_parameters", "non-zero parameters"),
    ("prunable_weights", "prunable weights"),
    ("nonzero_weights", "non-zero prunable weights"),
    ("dense_macs", "dense MACs"),
    ("effective_macs", "effective MACs"),
    ("dense_bops", "dense BOPs"),
    ("effective_bops", "effective BOPs"),
    ("dense_uniq_bops", "dense BOPs with accumulator (UNIQ)"),
    ("effective_uniq_bops", "effective BOPs with accumulator (UNIQ)"),
)


def _as_json(model: str, input_shape: tuple[int, ...], counted: NetworkCost) -> str:
    import dataclasses
    import json

    return json.dumps(
        {
            "model": model,
            "input_shape": input_shape,
            "weight_bits": counted.weight_bits,
            "activation_bits": counted.activation_bits,
            **{name: getattr(counted, name) for name, _ in TOTALS},
            "not_counted": dict(counted.not_counted),
            "layers": [dataclasses.asdict(layer) for layer in counted.layers],
        },
        indent=2,
    )


def _totals(model: str, input_shape: tuple[int, ...], counted: NetworkCost) -> Table:
    from rich.table import Table

    bits = f"weights of {counted.weight_bits} bits, activations of {counted.activation_bits}"
    title = plain(f"{model}, one input of {'x'.join(map(str, input_shape))}, {bits} (computed)")
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, words in TOTALS:
        table.add_row(words, f"{getattr(counted, name):,}")
    for operation, calls in counted.not_counted.items():
        table.add_row(plain(f"not counted: {operation}"), f"{calls:,} calls")
    return table


def _print_layers(console: Console, layers: tuple[LayerCost, ...]) -> None:
    """Exact numbers; rounded ones in a terminal too narrow for them. No number is ever cut off."""
    from rich.measure import Measurement

    table = _layer_table(layers, "{:,}".format)
    needed = Measurement.get(console, console.options.update(width=10_000), table).maximum
    if not console.is_terminal:
        console.width = max(needed, console.width)
    elif needed > console.width:
        table = _layer_table(layers, rounded)
        table.box, table.padding = None, (0, 2, 0, 0)
    print_table(console, table)


def rounded(number: int) -> str:
    """Three significant digits and a prefix of the SI.

    >>> rounded(512), rounded(37_748_736), rounded(999_999)
    ('512', '37.7 M', '1.00 M')
    """
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 0.9995 * 10**power:
            value = number / 10**power
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {prefix}"
    return str(number)


def _layer_table(layers: tuple[LayerCost, ...], number: Callable[[int], str]) -> Table:
    from rich.table import Table

    table = Table(title="Layers, in the order of execution")
    table.add_column("layer", overflow="fold", min_width=8)
    table.add_column("kind", no_wrap=True)
    for words in ("weights", "non-zero", "rows", "empty\nrows", "dense\nMACs", "effective\nMACs", "dense\nBOPs"):
        table.add_column(words, justify="right", no_wrap=True)
    for each in layers:
        weights = (each.weights, each.nonzero_weights)
        rows = (each.units, each.empty_units)
        work = (each.dense_macs, each.effective_macs, each.dense_bops)
        cells = (*map(number, weights), *map("{:,}".format, rows), *map(number, work))
        table.add_row(plain(each.layer), plain(each.kind), *cells)
    return table
