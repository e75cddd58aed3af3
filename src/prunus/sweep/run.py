"""Running a study in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prunus.errors import MissingError
from prunus.spec import Study
from prunus.store import FolderLock, Store, rebuild_store, write_atomically
from prunus.store.files import refuse_links, sweep_leftovers
from prunus.sweep.coordinator import Coordinator, Observer, Outcome
from prunus.sweep.events import StoreRebuilt
from prunus.sweep.executors import EXECUTORS, Terms
from prunus.sweep.folder import StudyFolder
from prunus.sweep.processes import StopSignals
from prunus.sweep.resources import Resources
from prunus.sweep.tracking import tracking
from prunus.tracking import trackers_of

__all__ = ["Observer", "Options", "Outcome", "run_study"]


@dataclass(frozen=True)
class Options:
    """What a run may do besides running the study; nothing here changes a result.

    Attributes:
        workers: trials at once; 0 for as many as the study says, one per core by default.
        executor: where trials run: `local`, `ray` or `slurm`.
        allow_changes: continue although code, data, versions or study have changed.
        retry_failed: run failed trials again.
        rebuild_store: set a damaged store aside and begin a new one, from the results that lie beside it.
        command: to repeat the run, as the report shows it.
        address: of the executor's cluster.
        executor_settings: what else the executor has to know, such as `{"partition": "gpu"}`.
    """

    workers: int = 0
    executor: str = "local"
    allow_changes: bool = False
    retry_failed: bool = False
    rebuild_store: bool = False
    command: str = ""
    address: str = ""
    executor_settings: Mapping[str, str] = field(default_factory=dict)


def run_study(
    study: Study, folder: str | Path, options: Options = Options(), observe: Observer = lambda _: None
) -> Outcome:
    """Run what is not finished of a study in its folder, then measure; or continue where an earlier run stopped.

    Whatever was stored before stays. Trials run in processes of their own.

    Args:
        study: what to run, from `load_study`.
        folder: of the study, made where it is missing; `read_study` and `build_report` read it.
        options: where and how trials run, and whether failed ones run again.
        observe: is called with every event (`prunus.sweep.events`), to show progress.

    Returns:
        How many trials there are, finished and failed, and whether a signal stopped the run.

    Raises:
        InputError: the study cannot be run.
        StoreError: the folder is in use, damaged, or was begun under other conditions.
        MissingError: the folder cannot be made, or the machine lacks something.
        DiskFullError: the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import prunus
        >>> changes = ["rates=[0]", "seeds=[0]", "training.epochs=1", "model.width=4", "measurement.select='none'"]
        >>> study = prunus.load_study("digits", changes)
        >>> with TemporaryDirectory() as folder:
        ...     outcome = run_study(study, folder)
        ...     rows = prunus.read_study(folder)
        ...     page = prunus.build_report(folder)
        >>> outcome.finished, [(trial.rate, trial.seed) for trial in rows.trials], page.name
        (1, [(0.0, 0)], 'report.html')
    """
    trackers_of(study.tracking)  # a wrong one is refused before anything is written
    try:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "measurements").mkdir(exist_ok=True)
    except OSError as error:
        raise MissingError(f"The folder {folder} cannot be made", str(error), "choose another --out") from None
    refuse_links(folder)
    terms = Terms(
        workers=options.workers or study.execution.workers,
        resources=Resources.of(study),
        address=options.address,
        settings=options.executor_settings,
    )
    with FolderLock(folder) as lock, _store(folder, options, observe) as store, StopSignals() as stop:
        sweep_leftovers(folder)
        write_atomically(StudyFolder(folder).study, study.model_dump_json(indent=1).encode())
        executor = EXECUTORS.get(options.executor)(folder, terms)
        try:
            executor.start(keep_open=(lock.descriptor,))
            with tracking(study, folder, observe) as observing:
                coordinator = Coordinator(StudyFolder(folder), store, executor, observing, stop)
                return coordinator.run(
                    options.command, allow_changes=options.allow_changes, retry_failed=options.retry_failed
                )
        finally:
            executor.close()


def _store(folder: Path, options: Options, observe: Observer) -> Store:
    """The folder's store, made anew where that was asked for."""
    if options.rebuild_store:
        observe(StoreRebuilt(rebuild_store(folder)))
    return Store(folder, create=True)
