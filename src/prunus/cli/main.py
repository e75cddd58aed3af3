"""The entry point: the table of commands, and the one place where errors become sentences."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from prunus import __version__
from prunus.cli.bench import bench
from prunus.cli.compress import compress
from prunus.cli.cost import cost
from prunus.cli.doctor import doctor
from prunus.cli.export import export
from prunus.cli.inspect import inspect
from prunus.cli.listing import list_names
from prunus.cli.prune import prune
from prunus.cli.report import report
from prunus.cli.run import run
from prunus.cli.sensitivity import sensitivity
from prunus.cli.show import show
from prunus.cli.terminal import print_whatever_the_encoding
from prunus.cli.watch import watch
from prunus.errors import PrunusError, of_file_system

EXIT_CODES = """
Exit codes: 0 done. 1 unexpected error. 2 bad input. 3 done, but trials failed. 4 a study's folder cannot be used.
5 the machine lacks something. Stopped: 129 by its terminal, which was closed; 130 by Ctrl-C; 140 by SIGUSR2; 143 by
SIGTERM.
"""

app = typer.Typer(
    name="prunus",
    help="Prune a PyTorch network, train it, and see what the pruning really bought.",
    epilog=EXIT_CODES.replace("\n", " "),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # whose help takes twice as long to come
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"prunus {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version of prunus.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors; works after any command.")] = False,
) -> None:
    pass


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "report": report,
    "show": show,
    "watch": watch,
    "export": export,
    "list": list_names,
    "cost": cost,
    "inspect": inspect,
    "prune": prune,
    "compress": compress,
    "sensitivity": sensitivity,
    "bench": bench,
    "doctor": doctor,
}

for _name, _command in COMMANDS.items():
    app.command(_name, short_help=" ".join((_command.__doc__ or "").partition("\n\n")[0].split()))(_command)


def main() -> NoReturn:
    """Run the command line and exit."""
    print_whatever_the_encoding()
    debug = "--debug" in sys.argv or bool(os.environ.get("PRUNUS_DEBUG"))
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(prog_name="prunus")
    except PrunusError as error:
        if debug:
            raise
        _say(str(error))
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 1 and _reader_gone():  # typer's answer to it
            sys.exit(0)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        _say("Stopped.")
        sys.exit(130)
    except OSError as error:
        if debug:
            raise
        _say(str(ours := of_file_system(error)))
        sys.exit(ours.exit_code)
    except Exception as error:
        if debug:
            raise
        _say(f"Unexpected {type(error).__name__}: {error}. This is a fault of prunus. --debug shows where it is.")
        sys.exit(1)
    sys.exit(0)


def _reader_gone() -> bool:
    """Whether the reader of our output, such as `head`, has enough and has closed the pipe."""
    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(state & select.POLLERR for _, state in poll.poll(0))


def _say(message: str) -> None:
    """One line on standard error, without control characters that could act on the terminal."""
    clean = "".join(c if c.isprintable() else " " for c in message)
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(clean, err=True)
