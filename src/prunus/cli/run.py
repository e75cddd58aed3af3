"""`prunus run`: run a study, or continue it, or say what it would do and how long it would take."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from prunus.spec import Study
    from prunus.sweep.run import Outcome


def run(
    study: Annotated[str, typer.Argument(help="A built-in study, a TOML file, or the folder of a started study.")] = (
        "digits"
    ),
    out: Annotated[Path | None, typer.Option(show_default="studies/NAME", help="The study's folder.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the study, such as training.epochs=10."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Trials at once; 0: one per core.")] = 0,
    executor: Annotated[str, typer.Option(help="Where trials run: local, ray or slurm.")] = "local",
    address: Annotated[str | None, typer.Option(help="The address of the Ray cluster, such as HOST:6379.")] = None,
    executor_set: Annotated[
        list[str] | None,
        typer.Option("--executor-set", metavar="KEY=VALUE", help="A setting of the executor, such as partition=gpu."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights to begin with: .safetensors, or .pt of torch.save.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="The study's seeds.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and an estimate of time.")] = False,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Allow the study's file to run Python files that it names.")
    ] = False,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Continue although code, data, versions or study have changed.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")] = False,
    rebuild_store: Annotated[
        bool, typer.Option("--rebuild-store", help="Make a damaged store anew from the results that lie beside it.")
    ] = False,
) -> None:
    """Run a study and write its report; the same command continues what was interrupted.

    Ctrl-C ends after the running epochs, a second one at once; nothing that is stored is lost.
    """
    from prunus.cli.progress import show_progress
    from prunus.sweep.run import Options, run_study

    overrides = list(set_ or [])
    if weights is not None:
        overrides.append(f"model.weights={json.dumps(str(weights.resolve()))}")
    spec, folder = _study(study, out, overrides, seeds, rebuild=rebuild_store)
    if not run_code:
        _refuse_unasked_code(spec, set_ or [])
    if dry_run:
        print_trials(spec)
        return
    options = Options(
        workers=workers,
        executor=executor,
        allow_changes=allow_changes,
        retry_failed=retry_failed,
        rebuild_store=rebuild_store,
        command=_command(),
        address=address or "",
        executor_settings=_settings(executor_set or []),
    )
    with show_progress() as observe:
        outcome = run_study(spec, folder, options, observe)
    _conclude(outcome, folder)


def _conclude(outcome: Outcome, folder: Path) -> None:
    """Write the report, say how the run ended, and end with the exit code of that."""
    from prunus.errors import TrialsFailedError
    from prunus.report import build_report

    if outcome.trials and not outcome.at_once:
        typer.echo(build_report(folder))
    if outcome.signal == signal.SIGUSR2:
        from prunus.sweep.processes import requeue

        typer.echo(requeue(), err=True)
    if outcome.signal is not None:
        typer.echo("Stopped. The same command continues.", err=True)
        raise typer.Exit(128 + outcome.signal)
    if outcome.failed:
        raise TrialsFailedError(
            f"{outcome.failed} of {outcome.trials} trials failed",
            "each is a row with its error in the report",
            f"see `prunus show {folder}`, mend the cause, and continue with --retry-failed",
        )


def _study(
    study: str, out: Path | None, overrides: list[str], seeds: str | None, *, rebuild: bool
) -> tuple[Study, Path]:
    """The study to run and its folder."""
    from prunus.errors import InputError
    from prunus.spec import builtin_studies, load_study
    from prunus.store import read_study, study_beside

    if seeds is not None:
        overrides = [*overrides, f"seeds={_numbers(seeds)}"]
    if study in builtin_studies() or not Path(study).is_dir():
        spec = load_study(study, overrides)
        return spec, out or Path("studies") / spec.name
    if overrides or out:
        why = "its folder holds the study with all its settings"
        raise InputError("A started study is continued as it is", why, "leave out --set, --weights, --seeds and --out")
    return study_beside(Path(study)) if rebuild else read_study(Path(study)).study, Path(study)


def _numbers(seeds: str) -> list[int]:
    """Read `0,1,2`."""
    from prunus.errors import InputError

    try:
        return [int(piece) for piece in seeds.split(",")]
    except ValueError:
        why = "it takes whole numbers, separated by commas"
        raise InputError(f"--seeds {seeds!r} cannot be read", why, "write for example --seeds 0,1,2") from None


def _settings(pairs: list[str]) -> dict[str, str]:
    """Read `partition=gpu`."""
    from prunus.errors import InputError

    for pair in pairs:
        if "=" not in pair:
            raise InputError(f"--executor-set {pair!r} is not key=value", "", "write for example partition=gpu")
    return dict(pair.split("=", 1) for pair in pairs)


def _refuse_unasked_code(study: Study, overrides: list[str]) -> None:
    """A study's file or folder may come from a stranger; Python files that the command line names were chosen here."""
    from prunus.errors import InputError

    chosen_here = {override.partition("=")[0].strip().removesuffix(".name") for override in overrides}
    unasked = sorted(name for key, name in study.functions.items() if key not in chosen_here)
    if unasked:
        raise InputError(
            f"The study {study.name!r} runs code of its own: {', '.join(unasked)}",
            "a study may come from a stranger, and nothing but this command line can allow it to run code",
            "read that code, then pass --run-code",
        )


def _command() -> str:
    """The command to repeat this run, as it would be typed."""
    import shlex

    return os.fsencode(shlex.join(["prunus", *sys.argv[1:]])).decode(errors="backslashreplace")


def print_trials(study: Study) -> None:
    """Print one line per trial on standard output, and the estimate on standard error."""
    from prunus.report.words import duration
    from prunus.sweep.latency_targets import LatencyTargets
    from prunus.sweep.loaded import Loaded
    from prunus.sweep.trial import estimate_seconds

    typer.echo("loading torch and the data, timing some training steps", err=True)
    loaded = Loaded.of(study, LatencyTargets(tell=lambda text: typer.echo(text, err=True)))
    seconds = estimate_seconds(loaded) if study.train is None else 0.0
    for digest, trial in loaded.trials.items():
        typer.echo(f"{digest}  {trial.label}")
    takes = (
        f"the training takes about {duration(seconds)} on this machine; exports and measurements come on top"
        if study.train is None
        else f"how long {study.train} trains is not known"
    )
    typer.echo(f"{len(loaded.trials)} trials of {study.training.epochs} epochs: {takes}", err=True)
