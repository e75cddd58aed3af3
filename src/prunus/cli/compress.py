"""`prunus compress`: from a trained network and a margin, or a target, to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunus.cli.compress_file import (
    InputsOption,
    MeanOption,
    MetricOption,
    PatternOption,
    StdOption,
    compress_file,
    given_options,
    is_file_compression,
    is_given,
    refuse_of_files,
)
from prunus.cli.named_network import DATA_HELP, DataSettings, numbers_of, part_of
from prunus.cli.terminal import plain, progress_lines
from prunus.errors import InputError

if TYPE_CHECKING:
    from prunus.compress import Settings
    from prunus.measure import ModelBuilder

TARGET_HELP = (
    "What to come to instead of a margin: latency_ms=3, bytes=200000 or macs=1e6; below 1, bytes and MACs are shares "
    "of the unpruned network's."
)
KEEP_HELP = (
    "How much worse the task's metric may be, in the unit in which it is shown, such as points of accuracy; without it "
    "the task's own margin."
)
INTERRUPTED = 130
BESIDE_A_FILE = ("model", "out", "budget", "run_code")
"""What may be given beside a file of settings."""


def compress(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A network's name, file.py:function, an ONNX file, or the compress.toml of an earlier one."
        ),
    ],
    weights: Annotated[
        str | None, typer.Option(help="The trained weights: a safetensors file, or .pt of torch.save.")
    ] = None,
    data: Annotated[str | None, typer.Option(help=DATA_HELP)] = None,
    task: Annotated[str, typer.Option(help="What the network is for, such as classification.")] = "classification",
    keep: Annotated[float | None, typer.Option(help=KEEP_HELP)] = None,
    target: Annotated[str | None, typer.Option(metavar="COST=AMOUNT", help=TARGET_HELP)] = None,
    runtime: Annotated[
        str, typer.Option("--for", help="The runtime that it is to be fast on: `prunus list runtimes`.")
    ] = "onnxruntime",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 1,
    batch: Annotated[str, typer.Option(help="Batch sizes, such as 1,16: the first decides, all are measured.")] = "1",
    formats: Annotated[
        list[str] | None, typer.Option("--also", help="Another runtime to write files for; give it once for each.")
    ] = None,
    budget: Annotated[str, typer.Option(help="How long all of it may take, such as 90s, 30min or 2h.")] = "30min",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files, the report and the state of the search.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the network, such as width=16.")
    ] = None,
    data_settings: DataSettings = None,
    task_settings: Annotated[
        list[str] | None, typer.Option("--task-set", metavar="KEY=VALUE", help="A setting of the task.")
    ] = None,
    training: Annotated[
        list[str] | None,
        typer.Option("--training", metavar="KEY=VALUE", help="How it is trained on, such as learning_rate=1e-4."),
    ] = None,
    protect: Annotated[list[str] | None, typer.Option(help="A layer to leave alone, by name or pattern.")] = None,
    round_to: Annotated[int, typer.Option(min=1, help="What is left of a layer is a multiple of this.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The seed of all that is drawn.")] = 0,
    inputs: InputsOption = None,  # noqa: ARG001  # read from the context
    metric: MetricOption = "auto",  # noqa: ARG001  # read from the context
    pattern: PatternOption = "element",  # noqa: ARG001  # read from the context
    mean: MeanOption = "0",  # noqa: ARG001  # read from the context
    std: StdOption = "1",  # noqa: ARG001  # read from the context
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Allow a compress.toml to run Python files that it names.")
    ] = False,
) -> None:
    """Make a trained network as small and fast as it can be here without losing more than a margin, as files.

    Ctrl-C leaves the best so far, a second one stops at once; the same command continues.
    """
    if is_file_compression(model):
        compress_file(context, model, run_code)
        return
    refuse_of_files(context)
    if model.endswith(".toml"):
        _check_settled(context)
        wanted, out = _repeated(Path(model), out, run_code)
        if is_given(context, "budget"):
            from prunus.compress.settings import seconds_of

            wanted = wanted.model_copy(update={"budget_seconds": seconds_of(budget)})
    else:
        wanted = _settings(
            model=part_of(model, settings or []),
            weights=weights,
            data=part_of(data, data_settings or []) if data else None,
            task=part_of(task, task_settings or []),
            keep=keep,
            target=target,
            runtime=runtime,
            threads=threads,
            batch_sizes=numbers_of("--batch", batch),
            formats=tuple(formats or ()),
            budget=budget,
            training=training or [],
            protect=tuple(protect or ()),
            round_to=round_to,
            seed=seed,
        )
    _run(wanted, out)


def _settings(*, target: str | None, budget: str, training: list[str], **given: object) -> Settings:
    """What the command line asks for, with all files named in full."""
    from pydantic import ValidationError

    from prunus.compress import Settings
    from prunus.compress.settings import FINETUNING, seconds_of, target_of
    from prunus.spec import Training
    from prunus.spec.load import set_key

    table = FINETUNING.model_dump(mode="json")
    for each in training:
        set_key(table, each)
    try:
        trained = Training.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--training {first['loc'][-1]} cannot be used", first["msg"], "correct its value") from None
    if "learning_rate" in {each.partition("=")[0].strip() for each in training}:
        given["learning_rates"] = ()
    more = {"target": target_of(target), "budget_seconds": seconds_of(budget), "training": trained}
    return Settings(**given, **more).beside(Path.cwd())


def _check_settled(context: typer.Context) -> None:
    """Raises `InputError` where an option would change what a file of settings says."""
    if given := given_options(context, but=BESIDE_A_FILE):
        raise InputError(
            f"{', '.join(given)} cannot be given beside a file of settings",
            "the file says it",
            "change the file, or name the network instead",
        )


def _repeated(path: Path, out: Path | None, run_code: bool) -> tuple[Settings, Path]:
    """The settings of a file; a file may come from a stranger, and runs code only where that is allowed here."""
    from prunus.compress import Settings

    wanted = Settings.from_toml(path)
    named = [part.name for part in (wanted.model, wanted.data, wanted.task) if part and ".py:" in part.name]
    if named and not run_code:
        raise InputError(
            f"{path} runs code: {', '.join(named)}",
            "it may come from a stranger, and nothing but this command line can allow it to",
            "read that code, then pass --run-code",
        )
    return wanted, out or path.parent


def _run(wanted: Settings, out: Path | None) -> None:
    from prunus.compress import run_compression
    from prunus.export import read_network
    from prunus.models import build_model, without_weights
    from prunus.tasks import task_of
    from prunus.tasks.batch import example_inputs, load_for, shape_of

    part, weights = without_weights(wanted.model) if wanted.model else (None, None)
    weights = wanted.weights or weights
    for name, given in (("a model", part), ("--weights", weights), ("--data", wanted.data)):
        if given is None:
            raise InputError(
                f"{name} must be given", "a trained network is compressed, on the data that it was trained on", "add it"
            )
    if out is None:
        raise InputError("--out must be given", "the files and the state of the search need a folder", "add it")
    assert part
    assert weights
    assert wanted.data
    task = task_of(wanted.task)
    dataset = load_for(wanted.data, task)
    shape, classes = shape_of(example_inputs(dataset, task, dataset.train)), task.output_size(dataset)
    network = read_network(weights, lambda: build_model(part, shape, classes))
    builder = _builder(wanted, shape, classes)
    found = run_compression(network, dataset, wanted, out, progress_lines(), builder)
    for sentence in found.sentences:
        typer.echo(str(plain(sentence)))
    typer.echo(str(plain(f"written: {out}")), err=True)
    if found.stopped:
        raise typer.Exit(INTERRUPTED)


def _builder(wanted: Settings, input_shape: tuple[int, ...], classes: int) -> ModelBuilder:
    from prunus.measure import named_model

    assert wanted.model
    return named_model(wanted.model, input_shape, classes)
