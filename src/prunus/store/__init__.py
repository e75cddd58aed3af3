"""What came out of a study: one SQLite file in the study's folder, written by one coordinator, read by anyone."""

from prunus.store.database import Store
from prunus.store.files import write_atomically
from prunus.store.lock import FolderLock
from prunus.store.result_file import read_result, write_result
from prunus.store.rows import (
    BlockRow,
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
    "BlockRow",
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
    "read_result",
    "read_study",
    "write_atomically",
    "write_result",
]
