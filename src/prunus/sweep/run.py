"""Running a study in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prunus.errors import MissingError
from prunus.spec import Study
from prunus.store import FolderLock, Store, write_atomically
from prunus.store.links import refuse_links
from prunus.sweep.coordinator import Coordinator, Observer, Outcome
from prunus.sweep.executors import EXECUTORS, Terms
from prunus.sweep.folder import StudyFolder
from prunus.sweep.resources import Resources
from prunus.sweep.signals import StopSignals

__all__ = ["Observer", "Options", "Outcome", "run_study"]


@dataclass(frozen=True)
class Options:
    """What a run may do besides running the study; nothing here changes a result.

    executor, address, executor_settings: where trials run, and what that needs to know (`prunus.sweep.executors`).
    """

    workers: int = 0
    executor: str = "local"
    allow_changes: bool = False
    retry_failed: bool = False
    command: str = ""
    address: str = ""
    executor_settings: Mapping[str, str] = field(default_factory=dict)


def run_study(
    study: Study, folder: str | Path, options: Options = Options(), observe: Observer = lambda _: None
) -> Outcome:
    """Run what is not finished of a study in its folder, then measure; or continue where an earlier run stopped.

    Errors: `InputError` for a study that cannot be run, `StoreError` for a folder in use or begun under other
    conditions, `DiskFullError`. Whatever was stored before stays.
    """
    try:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "payoff").mkdir(exist_ok=True)
    except OSError as error:
        raise MissingError(f"The folder {folder} cannot be made", str(error), "choose another --out") from None
    refuse_links(folder)
    terms = Terms(
        workers=options.workers or study.execution.workers,
        resources=Resources.of(study),
        address=options.address,
        settings=options.executor_settings,
    )
    with FolderLock(folder) as lock, Store(folder, create=True) as store, StopSignals() as stop:
        write_atomically(StudyFolder(folder).study, study.model_dump_json(indent=1).encode())
        executor = EXECUTORS.get(options.executor)(folder, terms)
        try:
            executor.start(keep_open=(lock.descriptor,))
            coordinator = Coordinator(StudyFolder(folder), store, executor, observe, stop)
            return coordinator.run(
                options.command, allow_changes=options.allow_changes, retry_failed=options.retry_failed
            )
        finally:
            executor.close()
