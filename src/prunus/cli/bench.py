"""`prunus bench`: what a network costs on this machine, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunus.cli.named_network import Classes, Model, Settings, Shape, Weights, named_network, numbers_of
from prunus.cli.terminal import plain, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from prunus.measure.benchmark import Benchmark, BenchmarkRow


def bench(
    model: Model,
    shape: Shape = None,
    classes: Classes = None,
    settings: Settings = None,
    weights: Weights = None,
    batch: Annotated[str, typer.Option(help="Batch sizes, such as 1,64.")] = "1,64",
    threads: Annotated[str, typer.Option(help="Numbers of threads, such as 1,2.")] = "1",
    runtime: Annotated[list[str] | None, typer.Option(help="Runtimes; give it once for each. Default: all.")] = None,
    rounds: Annotated[
        int, typer.Option(min=30, help="Timed runs of the network on each runtime, batch size and number of threads.")
    ] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Measure a network on this machine: bytes of its files, latency and peak memory on each runtime."""
    from tempfile import TemporaryDirectory

    from prunus.measure import RUNTIMES, named_model, runtime_of
    from prunus.measure.benchmark import benchmark

    batch_sizes, thread_counts = numbers_of("--batch", batch), numbers_of("--threads", threads)
    runtimes = tuple(runtime or RUNTIMES.names())
    for name in runtime or ():
        runtime_of(name)  # one that cannot be had is refused before anything is built
    network = named_network(model, shape, classes, settings, weights)
    with TemporaryDirectory(prefix="prunus-bench-") as folder:
        measured = benchmark(
            network.model,
            named_model(network.part, network.input_shape, network.classes),
            network.input_shape,
            folder=Path(folder),
            runtimes=runtimes,
            batch_sizes=batch_sizes,
            threads=thread_counts,
            rounds=rounds,
            report=_progress,
        )
    _show(model, network.input_shape, measured, as_json)


def _progress(what: str) -> Any:
    """A line on stderr that counts the rounds where someone is watching, and one line in all where not."""
    import sys

    watched = sys.stderr.isatty()
    if not watched:
        typer.echo(f"measuring {what}", err=True)

    def tell(done: int, total: int) -> None:
        if watched:
            typer.echo(
                f"\r\x1b[Kmeasuring {what}: {done} of {total}" + ("\n" if done == total else ""), err=True, nl=False
            )

    return tell


def _show(model: str, input_shape: tuple[int, ...], measured: Benchmark, as_json: bool) -> None:
    if as_json:
        typer.echo(_as_json(model, input_shape, measured))
    else:
        from rich.console import Console

        for table in (_file_table(model, input_shape, measured), _row_table(measured.rows)):
            print_table(Console(), table)
    for problem in measured.problems:
        typer.echo(f"not measured: {plain(problem)}", err=True)


def _as_json(model: str, input_shape: tuple[int, ...], measured: Benchmark) -> str:
    import dataclasses
    import json

    from prunus.measure import RUNTIMES, packages_of
    from prunus.measure.machine import describe_machine, package_versions

    files = [
        {name: value for name, value in dataclasses.asdict(file).items() if name != "path"} for file in measured.files
    ]
    return json.dumps(
        {
            "model": model,
            "input_shape": input_shape,
            "files": files,
            "rows": [dataclasses.asdict(row) for row in measured.rows],
            "problems": measured.problems,
            "machine": describe_machine(),
            "versions": package_versions(packages_of(RUNTIMES)),
        },
        indent=2,
    )


def _file_table(model: str, input_shape: tuple[int, ...], measured: Benchmark) -> Table:
    from rich.table import Table

    table = Table(title=plain(f"{model}, inputs of {'x'.join(map(str, input_shape))} (measured)"))
    table.add_column("file")
    table.add_column("bytes", justify="right")
    table.add_column("deviation when run again", justify="right")
    for file in measured.files:
        table.add_row(file.format, f"{file.size_bytes:,}", f"{file.deviation:.1e}")
    return table


def _row_table(rows: tuple[BenchmarkRow, ...]) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("runtime")
    for words in ("batch", "threads", "median ms", "p95 ms", "peak memory of the network, MB"):
        table.add_column(words, justify="right")
    for row in rows:
        memory = f"{row.memory.network_bytes / 1e6:,.1f}" if row.memory else "not measured"
        counts = (f"{row.batch_size}", f"{row.threads}", f"{row.p50_ms:.3f}", f"{row.p95_ms:.3f}")
        table.add_row(plain(row.runtime), *counts, memory)
    return table
