"""All rows of a study at one moment, for whoever reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from prunus.errors import StoreError
from prunus.spec.load import parse_study
from prunus.spec.study import Study
from prunus.store.database import Store
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
    """Read a study's rows, of a running or a finished study. Raises `StoreError` if there are none."""
    folder = Path(folder)
    with Store(folder) as store, store.snapshot():
        sessions = store.rows(SessionRow)
        if not sessions:
            raise StoreError(f"The study in {folder} has not started", "its store is empty", "run it first")
        study = _study(sessions[-1].study, folder)
        trials = sorted(store.rows(TrialRow, in_study=True), key=lambda row: row.position)
        wanted = {row.trial for row in trials}
        return StudyRows(
            folder=folder,
            study=study,
            trials=tuple(trials),
            epochs=tuple(row for row in store.rows(EpochRow) if row.trial in wanted),
            costs=tuple(row for row in store.rows(CostRow) if row.trial in wanted),
            layers=tuple(row for row in store.rows(LayerRow) if row.trial in wanted),
            classes=tuple(row for row in store.rows(ClassRow) if row.trial in wanted),
            files=tuple(row for row in store.rows(FileRow) if row.trial in wanted),
            latencies=tuple(row for row in store.rows(LatencyRow) if row.trial in wanted),
            memories=tuple(row for row in store.rows(MemoryRow) if row.trial in wanted),
            problems=tuple(row for row in store.rows(ProblemRow) if row.trial is None or row.trial in wanted),
            sessions=tuple(sessions),
        )


def _study(text: str, folder: Path) -> Study:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"The study in {folder} is damaged", str(error), "restore it from a copy") from None
    return parse_study(table, str(folder))
