"""Printing on a terminal: of any encoding, of any width, and names of others, whatever they hold."""

from __future__ import annotations

import codecs
import io
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDEST = 10_000
PLAIN = {"×": "x", "±": "+-", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "·": "*",
         "’": "'", "‘": "'", "“": '"', "”": '"', "²": "2", "µ": "u", "•": "*", "\N{NO-BREAK SPACE}": " "}  # fmt: skip
"""What stands for a character that cannot be printed; for any other its number does."""

HANDLER = "prunus.plain"


def print_whatever_the_encoding() -> None:
    """Have standard output and error replace what their encoding does not know, instead of failing."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in told), error.end


def plain(value: object) -> Text:
    r"""The value as text in which nothing is markup and every control or direction character is spelled out.

    >>> str(plain("a[bold]b\x1b[31m"))
    'a[bold]b\\x1b[31m'
    """
    from rich.text import Text

    return Text("".join(_spelled(character) for character in str(value)))


def _spelled(character: str) -> str:
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if is_control else character


def print_table(console: Console, table: Table) -> None:
    """Print all columns of a table; of one that is wider than the terminal, the terminal folds the lines."""
    from rich.console import Console
    from rich.measure import Measurement

    needed = Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum
    (console if needed <= console.width else Console(width=needed, highlight=False)).print(table)


def progress_lines() -> Callable[[str], None]:
    """Prints each sentence on standard error with the time since the beginning."""
    import typer

    began = time.monotonic()

    def tell(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        typer.echo(str(plain(f"{minutes:3d}:{seconds:02d} {text}")), err=True)

    return tell
