"""`prunus prune`: a smaller network, and the proof that it computes the same."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunus.cli.named_network import (
    DATA_HELP,
    Classes,
    DataSettings,
    Model,
    OutputNames,
    Settings,
    Shape,
    Weights,
    named_data,
    named_network,
)
from prunus.cli.terminal import plain

if TYPE_CHECKING:
    from prunus.channels import Pruned


class Heads(StrEnum):
    """What goes of attention heads and of the groups of a convolution."""

    WHOLE = "whole"
    DIMENSIONS = "dimensions"


TARGET_HELP = (
    "What is to be left, instead of a rate: params, macs or bops as a share of the unpruned network's, such as "
    "macs=0.25, or latency_ms=3.0, measured on this machine."
)


def prune(
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    rate: Annotated[float | None, typer.Option(help="Share of the channels to remove, from 0 to below 1.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COST=AMOUNT", help=TARGET_HELP)] = None,
    runtime: Annotated[
        str, typer.Option(help="The runtime that a latency is measured on: `prunus list runtimes`.")
    ] = "onnxruntime",
    batch: Annotated[int, typer.Option(min=1, help="The batch size that a latency is measured at.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="The number of threads that a latency is measured with.")] = 1,
    shape: Shape = None,
    classes: Classes = None,
    settings: Settings = None,
    weights: Weights = None,
    criterion: Annotated[str, typer.Option(help="What scores a channel: `prunus list criteria`.")] = "magnitude",
    allocation: Annotated[str, typer.Option(help="How layers share the rate: `prunus list allocations`.")] = "uniform",
    protect: Annotated[list[str] | None, typer.Option(help="A layer to leave alone, by name or pattern.")] = None,
    outputs: OutputNames = None,
    round_to: Annotated[int, typer.Option(help="What is left of a layer is a multiple of this.")] = 1,
    floor: Annotated[int, typer.Option(help="At least so many channels of a layer are left.")] = 1,
    heads: Annotated[Heads, typer.Option(help="Remove whole heads, or the same dimensions of each.")] = Heads.WHOLE,
    seed: Annotated[int, typer.Option(help="The seed of fresh weights, and of criteria that draw numbers.")] = 0,
    data: Annotated[str | None, typer.Option(help=f"{DATA_HELP} For criteria that look at data.")] = None,
    data_settings: DataSettings = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write small.onnx, checked by running it.")] = False,
) -> None:
    """Remove channels from a network, prove that it computes what the masked one does, and save it.

    Writes small.safetensors (`prunus.load` reads it), plan.json and report.json.
    """
    import torch

    from prunus.channels.by_name import prune_channels

    shared = _allocation(allocation, target, runtime, batch, threads)
    samples = None
    if data:
        samples, data_shape, data_classes = _samples(data, data_settings, seed)
        shape, classes = shape or data_shape, classes or data_classes
    network = named_network(model, shape, classes, settings, weights, seed=seed)
    inputs = torch.randn(2, *network.input_shape)
    pruned = prune_channels(
        network.model.eval(),
        inputs,
        rate,
        criterion=criterion,
        allocation=shared,
        protect=protect or (),
        round_to=round_to,
        floor=floor,
        heads=heads.value,
        outputs=outputs,
        seed=seed,
        data=samples,
        tell=lambda text: typer.echo(str(plain(text)), err=True),
    )
    _write(pruned, out, inputs if onnx else None)
    for line in str(pruned.report).splitlines():
        typer.echo(str(plain(line)))
    typer.echo(str(plain(f"written: {out}")), err=True)


def _allocation(name: str, target: str | None, runtime: str, batch: int, threads: int) -> dict[str, Any]:
    """The allocation with its target; a runtime that cannot be had is refused before anything is built."""
    from prunus.errors import InputError, nearest
    from prunus.measure import runtime_of
    from prunus.prune.allocations.allocation import TARGETS

    if target is None:
        if (runtime, batch, threads) != ("onnxruntime", 1, 1):
            raise InputError(
                "Nothing is measured", "runtime, batch and threads go with a latency", "add --target latency_ms=3.0"
            )
        return {"name": name}
    kind, _, amount = target.partition("=")
    if kind not in TARGETS:
        raise InputError(f"There is no target {kind!r}", "", nearest(kind, TARGETS))
    try:
        asked: dict[str, Any] = {"name": name, kind: float(amount)}
    except ValueError:
        raise InputError(f"--target {target!r} cannot be read", "it takes a number", f"write {kind}=0.25") from None
    if kind != "latency_ms":
        return asked
    runtime_of(runtime)
    return asked | {"runtime": runtime, "batch_size": batch, "threads": threads}


def _samples(data: str, settings: list[str] | None, seed: int) -> tuple[Any, str, int]:
    """Batches for criteria that look at data, the shape of its inputs, and how many classes it has."""
    from prunus.train import calibration_samples

    dataset = named_data(data, settings)
    shape = ",".join(map(str, dataset.input_shape))
    return calibration_samples(dataset, seed).batches, shape, len(dataset.classes)


def _write(pruned: Pruned, out: Path, onnx_inputs: Any) -> None:
    """All files; small.onnx where inputs for it are given."""
    from prunus.channels import save
    from prunus.errors import InputError
    from prunus.store.files import write_atomically

    try:
        out.mkdir(parents=True, exist_ok=True)
        save(pruned.model, out / "small.safetensors")
        for name, data in (("plan", pruned.plan), ("report", pruned.report)):
            write_atomically(out / f"{name}.json", data.model_dump_json(indent=2).encode())
    except OSError as error:
        raise InputError(f"Nothing can be written to {out}", str(error), "choose another folder") from None
    if onnx_inputs is not None:
        from prunus.export import write_onnx

        write_onnx(pruned.model, onnx_inputs, out / "small.onnx")
