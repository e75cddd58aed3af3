"""All rows of a study at one moment, for whoever reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from prunus.errors import DamagedStoreError, StoreError
from prunus.spec.load import parse_study
from prunus.spec.study import Study
from prunus.spec.trial import CLASSIFICATION
from prunus.store.database import Store
from prunus.store.files import files_of
from prunus.store.rows import (
    STORE_STAGE,
    ClassRow,
    CostRow,
    EpochRow,
    FileRow,
    LatencyRow,
    LayerRow,
    MemoryRow,
    MetricRow,
    ProblemRow,
    SessionRow,
    TrialRow,
)
from prunus.store.salvage import salvage
from prunus.store.schema import TABLES
from prunus.system.reading import read_whole

Row = TypeVar("Row", EpochRow, CostRow, LayerRow, ClassRow, FileRow, LatencyRow, MemoryRow, MetricRow)

NEEDED_TABLES = ("costs", "layers", "classes", "files")
"""Where every finished trial has rows (in `classes`, one of a classification); `epochs` has as many as it was trained
for."""
STUDY_FILE, LARGEST_STUDY_BYTES = "study.json", 1 << 26


@dataclass(frozen=True)
class StudyRows:
    """A study and what came out of it so far; rows of trials that are no longer in the study are left out.

    Attributes:
        folder: where it is.
        study: as it was resolved, every default spelled out.
        trials: one row each, in the order of the grid.
        epochs: losses and the task's metric, trial by trial, in order.
        costs: computed, of final networks.
        layers: what is left of each layer of them.
        classes: how many test inputs of each class there are, and were predicted.
        files: of final networks, with their bytes.
        latencies: single timed runs.
        memories: peaks of processes.
        problems: what went wrong and where.
        sessions: one for each run of the study: machine, versions, command.
        metrics: what else the task counts of final networks.
    """

    folder: Path
    study: Study
    trials: tuple[TrialRow, ...]  # in the order of the grid
    epochs: tuple[EpochRow, ...]
    costs: tuple[CostRow, ...]
    layers: tuple[LayerRow, ...]
    classes: tuple[ClassRow, ...]
    files: tuple[FileRow, ...]
    latencies: tuple[LatencyRow, ...]
    memories: tuple[MemoryRow, ...]
    problems: tuple[ProblemRow, ...]
    sessions: tuple[SessionRow, ...]
    metrics: tuple[MetricRow, ...] = ()


def read_study(folder: str | Path) -> StudyRows:
    """Read a study's rows, of a running or a finished study, or what is left of a damaged one.

    Nothing in the folder is changed. Needs no torch. What is missing of a damaged store is a problem of the stage
    `store`.

    Args:
        folder: of the study.

    Returns:
        The study and the rows of its trials. The example of `run_study` reads some.

    Raises:
        StoreError: there is no study, or nothing of it can be read.
    """
    folder = Path(folder)
    damage: StoreError | None = None
    problems: list[ProblemRow] = []
    try:
        with Store.copy(folder) as store:
            tables = {table.row: store.rows(table.row) for table in TABLES}
            store.check()
    except DamagedStoreError as error:
        damage = error
        tables, problems = salvage(folder / Store.FILE_NAME)
    sessions = tables[SessionRow]
    if not sessions and damage is None:
        raise StoreError(f"The study in {folder} has not started", "its store is empty", "run it first")
    study = _study(sessions[-1].study, folder) if sessions else None
    if study is None:
        study = study_beside(folder, damage)
        what = f"The study of the last session cannot be read in the store, and that of {STUDY_FILE} was taken"
        problems.append(ProblemRow(None, STORE_STAGE, "damaged", what))
    rows = _of_study(folder, study, tables)
    return replace(rows, problems=(*rows.problems, *problems, *_missing(rows)))


def _of_study(folder: Path, study: Study, tables: Mapping[type[Any], Sequence[Any]]) -> StudyRows:
    trials = sorted((row for row in tables[TrialRow] if row.in_study), key=lambda row: row.position)
    wanted = {row.trial for row in trials}

    def of_wanted(kind: type[Row]) -> tuple[Row, ...]:
        return tuple(row for row in tables[kind] if row.trial in wanted)

    return StudyRows(
        folder=folder,
        study=study,
        trials=tuple(trials),
        epochs=of_wanted(EpochRow),
        costs=of_wanted(CostRow),
        layers=of_wanted(LayerRow),
        classes=of_wanted(ClassRow),
        files=of_wanted(FileRow),
        latencies=of_wanted(LatencyRow),
        memories=of_wanted(MemoryRow),
        problems=tuple(row for row in tables[ProblemRow] if row.trial is None or row.trial in wanted),
        sessions=tuple(tables[SessionRow]),
        metrics=of_wanted(MetricRow),
    )


def _study(text: str, folder: Path) -> Study | None:
    """The study in a session's row; None if that is no JSON any more."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parse_study(table, str(folder))


def study_beside(folder: Path, damage: StoreError | None = None) -> Study:
    """The study that lies beside a store in which none can be read; raises `damage` where that is no use either."""
    try:
        study = _study(read_whole(folder / STUDY_FILE, LARGEST_STUDY_BYTES).decode(), folder)
    except (OSError, UnicodeDecodeError):
        study = None
    if study is None:
        why = f"neither its store nor {STUDY_FILE} says what was to be run"
        raise damage or StoreError(f"The study in {folder} is damaged", why, "restore it from a copy")
    return study


def _missing(rows: StudyRows) -> list[ProblemRow]:
    """A problem for each row of a finished trial, and for each file of it, that should be there and is not."""
    found = [*_missing_rows(rows), *_missing_files(rows)]
    return [ProblemRow(trial, STORE_STAGE, "missing", what) for trial, what in found]


def _missing_rows(rows: StudyRows) -> Iterator[tuple[str, str]]:
    epochs, wanted = Counter(row.trial for row in rows.epochs), rows.study.training.epochs
    there = {table: {row.trial for row in getattr(rows, table)} for table in NEEDED_TABLES}
    if rows.study.task != CLASSIFICATION:
        del there["classes"]
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
    """Bytes of a file of the study, or of all files in a folder of it; None where none is there, or it is elsewhere."""
    try:
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            return None
        return sum(file.stat().st_size for file in files_of(folder / path))
    except (OSError, ValueError):
        return None
