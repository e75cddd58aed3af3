"""What should be there of a study's finished trials and is not: rows of the store, and files of the folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prunus.store.rows import ProblemRow

if TYPE_CHECKING:
    from prunus.store.study_rows import StudyRows

STAGE = "store"
"""Of the problems that are the store's own: something of it is lost."""

TABLES = ("costs", "layers", "classes", "files")
"""Where every finished trial has rows; in `epochs` it has as many as it was trained for."""


def missing(rows: StudyRows) -> list[ProblemRow]:
    """A problem for each thing that is missing of a trial."""
    found = [*_missing_rows(rows), *_missing_files(rows)]
    return [ProblemRow(trial, STAGE, "missing", what) for trial, what in found]


def _missing_rows(rows: StudyRows) -> Iterator[tuple[str, str]]:
    epochs, wanted = Counter(row.trial for row in rows.epochs), rows.study.training.epochs
    there = {table: {row.trial for row in getattr(rows, table)} for table in TABLES}
    there["epochs"] = {trial for trial, count in epochs.items() if count >= wanted}
    for trial in (row.trial for row in rows.trials if row.status == "finished"):
        for table, trials in there.items():
            if trial not in trials and (table != "epochs" or wanted):
                yield trial, f"Rows of finished trials are missing in the table {table!r}"


def _missing_files(rows: StudyRows) -> Iterator[tuple[str, str]]:
    for row in rows.files:
        size = _size(rows.folder, row.path)
        if size is None:
            yield row.trial, f"Files ({row.format}) of finished trials are missing in the study's folder"
        elif size != row.size_bytes:
            yield row.trial, f"Files ({row.format}) of finished trials have another size than was recorded"


def _size(folder: Path, path: str) -> int | None:
    """Bytes of a file of the study; None where there is none, or where its path leads out of the folder."""
    try:
        return (folder / path).stat().st_size if not {"..", ""} & {*path.split("/")} else None
    except (OSError, ValueError):
        return None
