"""`prunus sensitivity`: which layers can be pruned far, and which cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunus.cli.named_network import DATA_HELP, DataSettings, Model, Settings, Weights, named_data, named_network
from prunus.cli.terminal import plain, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from prunus.sensitivity.suggestion import Sensitivity, Suggestion
    from prunus.spec import Part


def sensitivity(
    model: Model,
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    settings: Settings = None,
    data_settings: DataSettings = None,
    weights: Weights = None,
    pattern: Annotated[str, typer.Option(help="What is removed: `prunus list patterns`.")] = "element",
    criterion: Annotated[str, typer.Option(help="What scores the units: `prunus list criteria`.")] = "magnitude",
    protect: Annotated[list[str] | None, typer.Option(help="A layer to leave alone, by name or pattern.")] = None,
    task: Annotated[
        str, typer.Option(help="What it is for: `prunus list tasks`, or file.py:CLASS.")
    ] = "classification",
    rates: Annotated[str, typer.Option(help="The rates at which each layer is pruned.")] = "0.2,0.4,0.6,0.8,0.9,0.95",
    rate: Annotated[float, typer.Option(help="The rate of the whole that layers are suggested to share.")] = 0.8,
    inputs: Annotated[int, typer.Option(min=1, help="Training inputs to test on.")] = 1000,
    seed: Annotated[int, typer.Option(help="The seed of all that is drawn.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the figure, the table and the suggestion.")] = Path(
        "sensitivity"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> None:
    """Prune each layer of a trained network alone, at several rates, and suggest how to share a rate among them.

    Writes sensitivity.svg, .png, .csv and .json, and suggestion.toml, a recipe for a study.
    """
    from prunus.sensitivity.measuring import measure_sensitivity
    from prunus.sensitivity.suggestion import check_suggested, recipe_toml, suggest
    from prunus.tasks import task_of
    from prunus.tasks.batch import example_inputs, shape_of

    at = _rates(rates)
    check_suggested(rate, at)
    judged = task_of(_part(task))
    dataset = named_data(data, data_settings, indices=judged.indices)
    shape = shape_of(example_inputs(dataset, judged, dataset.train))
    network = named_network(model, shape, judged.output_size(dataset), settings, weights, seed=seed)
    found = measure_sensitivity(
        network.model,
        dataset,
        rates=at,
        pattern=_part(pattern),
        criterion=_part(criterion),
        protect=protect or ("output",),
        task=judged,
        inputs=inputs,
        seed=seed,
        progress=_progress,
    )
    suggestion = suggest(found, rate)
    _write(found, suggestion, out)
    if as_json:
        typer.echo(_as_json(found, suggestion))
        return
    from rich.console import Console

    print_table(Console(), _table(model, found, suggestion))
    typer.echo()
    for line in recipe_toml(found, suggestion).splitlines():
        typer.echo(str(plain(line)))
    typer.echo(str(plain(f"written: {out}")), err=True)


def _rates(text: str) -> list[float]:
    from prunus.errors import InputError

    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError:
        why = "it takes numbers between 0 and 1, separated by commas"
        raise InputError(f"--rates {text!r} cannot be read", why, "write for example --rates 0.5,0.9") from None


def _part(text: str) -> Part:
    """A name, or a table with settings such as `{ name = "nm", m = 4 }`."""
    from prunus.spec import part_of
    from prunus.spec.load import set_key

    table: dict[str, object] = {}
    set_key(table, f"part={text}")
    return part_of(table["part"])


def _progress(done: int, total: int) -> None:
    """A line on stderr where someone is watching, and one line in all where not."""
    import sys

    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[Ktested {done} of {total}" + ("\n" if done == total else ""), err=True, nl=False)
    elif done == total:
        typer.echo(f"tested {total} networks", err=True)


def _write(found: Sensitivity, suggestion: Suggestion, out: Path) -> None:
    from prunus.errors import InputError
    from prunus.report.drawing import png, styled, svg
    from prunus.report.sensitivity import draw
    from prunus.sensitivity.suggestion import recipe_toml
    from prunus.store.files import write_atomically

    with styled():
        drawing = draw(found, suggestion)
        files = {"sensitivity.svg": svg(drawing), "sensitivity.png": png(drawing)}
    files["sensitivity.csv"] = _csv(found, suggestion)
    files["sensitivity.json"] = _as_json(found, suggestion).encode()
    files["suggestion.toml"] = recipe_toml(found, suggestion).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(out / name, content)
    except OSError as error:
        raise InputError(f"Nothing can be written to {out}", str(error), "choose another folder") from None


def _as_json(found: Sensitivity, suggestion: Suggestion) -> str:
    import json

    return json.dumps({**found.model_dump(mode="json"), "suggestion": suggestion.model_dump(mode="json")}, indent=2)


def _csv(found: Sensitivity, suggestion: Suggestion) -> bytes:
    """A row per layer and rate."""
    import csv
    import io

    from prunus.report.forms import TEXT
    from prunus.report.metric import StudyMetric

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metric = StudyMetric(found.metric)
    beside = {} if metric.is_accuracy else {"metric name": metric.name, "metric unit": metric.metric.unit}
    named = [TEXT.csv_values(text)[0] for text in beside.values()]  # no formula for a spreadsheet
    writer.writerow(["layer", "units", "suggested rate", "rate (asked)", f"{metric.key} (measured)", *beside])
    for curve in found.curves:
        name = TEXT.csv_values(curve.name)[0]
        for rate, value in zip((0.0, *found.rates), (found.unpruned, *curve.values), strict=True):
            writer.writerow([name, curve.units, f"{suggestion.rates[curve.name]:.4f}", rate, value, *named])
    return text.getvalue().encode()


def _table(model: str, found: Sensitivity, suggestion: Suggestion) -> Table:
    from rich.table import Table

    from prunus.report.forms import PERCENT
    from prunus.report.metric import StudyMetric

    metric = StudyMetric(found.metric, found.unpruned, found.unpruned)
    form = PERCENT if metric.is_share else metric.terminal_forms[0]
    unit = f" in {metric.metric.unit}" if metric.metric.unit else ""
    none = f"{form.show(found.unpruned)} with none ({found.inputs} inputs)"
    title = f"{model}: {metric.name}{unit} with one layer pruned, {none}"
    table = Table(title=plain(title))
    table.add_column("layer", overflow="fold", min_width=12)
    for words in ("units", *(f"{rate:g}" for rate in found.rates), "suggested rate"):
        table.add_column(words, justify="right")
    for curve in found.curves:
        values = (form.show(value) for value in curve.values)
        table.add_row(plain(curve.name), f"{curve.units:,}", *values, f"{suggestion.rates[curve.name]:.2f}")
    return table
