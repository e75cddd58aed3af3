"""Tables and rows as CSV files, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from prunus.report.content import Table
from prunus.report.forms import TEXT
from prunus.store.study_rows import StudyRows


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
    names = ("trials", "epochs", "costs", "layers", "classes", "files", "latencies", "memories", "problems", "sessions")
    return {name: getattr(rows, name) for name in names}


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
