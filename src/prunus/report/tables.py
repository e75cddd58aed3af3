"""Tables: columns that know how their values are shown, rows made of what an analysis found, and their CSV files."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from prunus.report.forms import MISSING, NAME, RATE, TEXT, Form
from prunus.report.words import recipe_name
from prunus.store.study_rows import StudyRows

Basis = Literal["asked", "computed", "measured"]
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """One column of a table. `basis` says whether its numbers were asked for, computed or measured."""

    title: str
    form: Form
    basis: Basis | None = None


@dataclass(frozen=True)
class Table:
    """Rows of values, one form per column. Written as `tables/NAME.csv`; the page shows the first `most_rows`."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    empty: str = "Nothing to show."
    folded: bool = False  # shown behind its caption
    most_rows: int = 60
    marked: int | None = None  # the row that a reader looks for
    limits: tuple[tuple[str, Literal["least", "most"]], ...] = ()  # columns with sliders: rows beyond are greyed out
    macro: ClassVar[str] = "table"

    @cached_property
    def drawn(self) -> tuple[int, ...]:
        """The columns that tell rows apart; one that says the same in every row is not drawn."""
        return tuple(index for index in range(len(self.columns)) if index < 1 or len(set(self._texts(index))) > 1)

    @property
    def drawn_columns(self) -> tuple[Column, ...]:
        """The columns that are drawn."""
        return tuple(self.columns[index] for index in self.drawn)

    def limit_of(self, title: str) -> str:
        """Whether a slider of this column sets the least or the most that is wanted; empty where it has none."""
        return dict(self.limits).get(title, "")

    @property
    def grouped(self) -> bool:
        """Whether neighbours often begin alike, so that a line between those that do not helps the eye."""
        names = self._texts(0)
        return sum(a == b for a, b in pairwise(names)) > len(names) / 3

    @cached_property
    def alike(self) -> str:
        """What every row says, of the columns that are not drawn and say anything."""
        told = ((column.title, self._texts(index)[0]) for index, column in self._left_out())
        return "; ".join(f"{title}: {text}" for title, text in told if text not in NOTHING)

    @cached_property
    def breadth(self) -> int:
        """How many rem it takes to stand without cutting anything off, an even number: an estimate from above."""
        rem = sum(_breadth(self.columns[index], self._texts(index)) for index in self.drawn)
        return 2 * math.ceil(rem / 2)

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows as they are drawn, each cell as text."""
        columns = [self._texts(index) for index in self.drawn]
        return [column.title for column in self.drawn_columns], [list(row) for row in zip(*columns, strict=True)]

    def _left_out(self) -> list[tuple[int, Column]]:
        return [(index, column) for index, column in enumerate(self.columns) if index not in self.drawn]

    def _texts(self, index: int) -> list[str]:
        return [self.columns[index].form.show(row[index]) for row in self.rows[: self.most_rows]]


NOTHING = ("", MISSING, "not reached")
"""What a column may say in every row and still say nothing."""

REM_OF_LETTER, REM_OF_HEAD, REM_OF_BASIS, REM_BETWEEN = 0.52, 0.52, 3.8, 0.75
"""What a letter, a column and the space beside it take in the broadest of the fonts a page may be shown in."""

LONGEST_LINE = 22
"""Letters of text from which on a cell is broken into lines, as the templates know too."""


def _breadth(column: Column, texts: Sequence[str]) -> float:
    """Rem of a column: its longest cell, or the longest word of its head; intervals stand below their means."""
    words = max(map(len, re.split(r"[ ,]", column.title)), default=0)
    parts = (part for text in texts for part in (text.split(" ", 1) if column.form.macro == "bounds" else (text,)))
    breaks = column.form.macro not in ("number", "bounds")
    cells = max((min(len(part), LONGEST_LINE) if breaks else len(part) for part in parts), default=0)
    basis = REM_OF_BASIS if column.basis else 0.0
    return max(REM_OF_LETTER * cells, REM_OF_HEAD * words, basis) + REM_BETWEEN


Filled = tuple[str, Form, Basis | None, Callable[[T], Any]]
"""A column's title, form and basis, and its value in the row of an entry."""


def table_of(name: str, caption: str, entries: Iterable[T], columns: Sequence[Filled[T]], **look: Any) -> Table:
    """A table with a row for each entry. look: what else `Table` takes."""
    rows = tuple(tuple(value(entry) for *_, value in columns) for entry in entries)
    return Table(name, caption, tuple(Column(title, form, basis) for title, form, basis, _ in columns), rows, **look)


class OfCell(Protocol):
    """What is known of one recipe at one rate; the unpruned network has no recipe."""

    @property
    def recipe(self) -> str | None:
        """The recipe's name."""

    @property
    def rate(self) -> float:
        """The rate asked for."""


RECIPE_AND_RATE: tuple[Filled[OfCell], Filled[OfCell]] = (
    ("recipe", NAME, None, lambda one: recipe_name(one.recipe)),
    ("rate", RATE, "asked", lambda one: one.rate),
)
"""The two columns that most tables begin with."""

MOST_SETTINGS = 4
C = TypeVar("C", bound=OfCell)
S = TypeVar("S")


def table_by_setting(
    name: str,
    caption: str,
    entries: Sequence[C],
    setting_of: Callable[[C], S],
    columns: Callable[[S], Sequence[Filled[C]]],
    empty: str,
) -> Table:
    """A table with a row per recipe and rate, and columns for each of the first settings that were measured."""
    settings = tuple(dict.fromkeys(setting_of(one) for one in entries))[:MOST_SETTINGS]
    found = {(one.recipe, one.rate, setting_of(one)): one for one in entries}
    filled = [(setting, column) for setting in settings for column in columns(setting)]
    rows = []
    for recipe, rate in dict.fromkeys((one.recipe, one.rate) for one in entries):
        own = ((column[3], found.get((recipe, rate, setting))) for setting, column in filled)
        rows.append((recipe_name(recipe), rate, *(None if one is None else value(one) for value, one in own)))
    head = (Column("recipe", NAME), Column("rate", RATE, "asked"), *(Column(*column[:3]) for _, column in filled))
    return Table(name, caption, head, tuple(rows), empty)


def table_csv(table: Table) -> bytes:
    """All rows of a table, each column in its form's CSV columns."""
    head = [title for column in table.columns for title in column.form.csv_titles(_head(column.title, column.basis))]
    body = (
        [cell for column, value in zip(table.columns, row, strict=True) for cell in column.form.csv_values(value)]
        for row in table.rows
    )
    return _csv(head, body)


def rows_csv(rows: Sequence[Any]) -> bytes:
    """Stored rows of one class, a column per field, numbers as they are."""
    if not rows:
        return b""
    names = [field.name for field in fields(rows[0])]
    values = attrgetter(*names)  # `astuple` copies every value deeply, and that shows with many thousand rows
    return _csv(names, ([_cell(value) for value in values(row)] for row in rows))


def stored_tables(rows: StudyRows) -> dict[str, Sequence[Any]]:
    """The study's rows by the name of their table."""
    of_trials = ("trials", "epochs", "costs", "layers", "classes", "metrics", "files", "latencies", "memories")
    return {name: getattr(rows, name) for name in (*of_trials, "problems", "sessions")}


def _head(title: str, basis: str | None) -> str:
    return f"{title} ({basis})" if basis else title


def _cell(value: object) -> object:
    return TEXT.csv_values(value)[0] if isinstance(value, str) else value


def _csv(head: Sequence[str], body: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([TEXT.csv_values(title)[0] for title in head])
    writer.writerows(body)
    return text.getvalue().encode()
