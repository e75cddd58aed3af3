"""`prunus run`: run a study, or continue it."""

from __future__ import annotations

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
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster, such as HOST:6379.")] = None,
    executor_set: Annotated[
        list[str] | None,
        typer.Option("--executor-set", metavar="KEY=VALUE", help="A setting of the executor, such as partition=gpu."),
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
) -> None:
    """Run a study and write its report; the same command continues what was interrupted.

    Ctrl-C ends after the running epochs, a second one at once; nothing that is stored is lost.
    """
    from prunus.cli.progress import show_progress
    from prunus.sweep.run import Options, run_study

    spec, folder = _study(study, out, set_ or [], seeds)
    if not run_code:
        _refuse_unasked_code(spec, set_ or [])
    if dry_run:
        from prunus.cli.dry_run import print_trials

        print_trials(spec)
        return
    options = Options(
        workers, executor, allow_changes, retry_failed, _command(), address or "", _settings(executor_set or [])
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
        from prunus.sweep.requeue import requeue

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


def _study(study: str, out: Path | None, overrides: list[str], seeds: str | None) -> tuple[Study, Path]:
    """The study to run and its folder."""
    from prunus.errors import InputError
    from prunus.spec import builtin_studies, load_study
    from prunus.store import read_study

    if seeds is not None:
        overrides = [*overrides, f"seeds={_numbers(seeds)}"]
    if study in builtin_studies() or not Path(study).is_dir():
        spec = load_study(study, overrides)
        return spec, out or Path("studies") / spec.name
    if overrides or out:
        why = "its folder holds the study with all its settings"
        raise InputError("A started study is continued as it is", why, "leave out --set, --seeds and --out")
    return read_study(Path(study)).study, Path(study)


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
    parts = {"model": study.model.name, "data": study.data.name}
    unasked = sorted(name for key, name in parts.items() if ".py:" in name and key not in chosen_here)
    if unasked:
        raise InputError(
            f"The study {study.name!r} runs code of its own: {', '.join(unasked)}",
            "a study may come from a stranger, and nothing but this command line can allow it to run code",
            "read that code, then pass --run-code",
        )


def _command() -> str:
    """The command to repeat this run, as it would be typed."""
    import shlex

    return shlex.join(["prunus", *sys.argv[1:]])
