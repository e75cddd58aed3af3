"""What came out of a study: one SQLite file in the study's folder, written by one coordinator, read by anyone.

What stays out: torch, running trials, and meaning. Rows are kept as they came; `prunus.report` reads them.
"""

from prunus.store._lock import FolderLock
from prunus.store._result_file import read_result, write_result
from prunus.store.database import Store
from prunus.store.files import write_atomically
from prunus.store.rows import (
    INTEGERS_FORMAT,
    NETWORK_FORMAT,
    BlockRow,
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
from prunus.store.salvage import rebuild_store
from prunus.store.study_rows import StudyRows, read_study, study_beside

__all__ = [
    "INTEGERS_FORMAT",
    "NETWORK_FORMAT",
    "BlockRow",
    "ClassRow",
    "CostRow",
    "EpochRow",
    "FileRow",
    "FolderLock",
    "LatencyRow",
    "LayerRow",
    "MemoryRow",
    "MetricRow",
    "ProblemRow",
    "SessionRow",
    "Store",
    "StudyRows",
    "TrialRow",
    "read_result",
    "read_study",
    "rebuild_store",
    "study_beside",
    "write_atomically",
    "write_result",
]
