"""What came out of a study: one SQLite file in the study's folder, written by one coordinator, read by anyone."""

from prunus.store.database import Store
from prunus.store.files import write_atomically
from prunus.store.lock import FolderLock
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
from prunus.store.study_rows import StudyRows, read_study

__all__ = [
    "ClassRow",
    "CostRow",
    "EpochRow",
    "FileRow",
    "FolderLock",
    "LatencyRow",
    "LayerRow",
    "MemoryRow",
    "ProblemRow",
    "SessionRow",
    "Store",
    "StudyRows",
    "TrialRow",
    "read_study",
    "write_atomically",
]
