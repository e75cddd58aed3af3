"""All rows of a study at one moment, for whoever reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from prunus.errors import DamagedStoreError, StoreError
from prunus.reading import read_whole
from prunus.spec.load import parse_study
from prunus.spec.study import Study
from prunus.store.database import Store
from prunus.store.missing import STAGE, missing
from prunus.store.rows import (
    ClassRow,
    CostRow,
    EpochRow,
    FileRow,
    LatencyRow,
    LayerRow,
    MemoryRow,
    ProblemRow,
    SessionRow,
    TrialRow,
)
from prunus.store.salvage import salvage
from prunus.store.schema import TABLES

Row = TypeVar("Row", EpochRow, CostRow, LayerRow, ClassRow, FileRow, LatencyRow, MemoryRow)

STUDY_FILE, LARGEST_STUDY_BYTES = "study.json", 1 << 26


@dataclass(frozen=True)
class StudyRows:
    """A study and what came out of it so far; rows of trials that are no longer in the study are left out."""

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


def read_study(folder: str | Path) -> StudyRows:
    """Read a study's rows, of a running or a finished study, or what is left of a damaged one.

    What is missing is a problem of the stage `store`. Raises `StoreError` if there is nothing.
    """
    folder = Path(folder)
    damage: StoreError | None = None
    problems: list[ProblemRow] = []
    try:
        with Store(folder) as store, store.snapshot():
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
        study = _study_beside(folder, damage)
        what = f"The study of the last session cannot be read in the store, and that of {STUDY_FILE} was taken"
        problems.append(ProblemRow(None, STAGE, "damaged", what))
    rows = _of_study(folder, study, tables)
    return replace(rows, problems=(*rows.problems, *problems, *missing(rows)))


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
    )


def _study(text: str, folder: Path) -> Study | None:
    """The study in a session's row; None if that is no JSON any more."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parse_study(table, str(folder))


def _study_beside(folder: Path, damage: StoreError | None) -> Study:
    """The study that lies beside a store in which none can be read; raises `damage` where that is no use either."""
    try:
        study = _study(read_whole(folder / STUDY_FILE, LARGEST_STUDY_BYTES).decode(), folder)
    except (OSError, UnicodeDecodeError):
        study = None
    if study is None:
        why = f"neither its store nor {STUDY_FILE} says what was to be run"
        raise damage or StoreError(f"The study in {folder} is damaged", why, "restore it from a copy")
    return study
