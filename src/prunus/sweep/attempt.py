"""One attempt at a trial: what a worker of any executor does with a job, and how its end is told."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from prunus import user_code
from prunus.errors import DiskFullError, PrunusError
from prunus.memory import memory_limit
from prunus.sweep.blocks import Block
from prunus.sweep.events import BlockEnded, EndStatus, Event, TrialEnded
from prunus.sweep.folder import StudyFolder
from prunus.sweep.job import Job
from prunus.sweep.leases import Lease, LeaseExpiredError
from prunus.sweep.limits import OUT_OF_MEMORY, is_out_of_memory
from prunus.sweep.loaded import Loaded
from prunus.sweep.payoff import measure_block
from prunus.sweep.resources import Resources
from prunus.sweep.trial import Interrupted, run_trial

Tell = Callable[[Event], None]


def carry_out(job: Job, folder: StudyFolder, loaded: Loaded, tell: Tell, stop_asked: Callable[[], bool]) -> None:
    """Do it; whatever goes wrong in a trial is told in `TrialEnded`."""
    if job.block:
        block = Block(**{**job.block, "trials": tuple(job.block["trials"])})
        measure_block(block, folder, loaded, tell)
        tell(BlockEnded(block.name))
        return
    began = time.perf_counter()
    status, *error = _attempt(Lease(job.trial, job.token, folder.lease(job.trial)), folder, loaded, tell, stop_asked)
    tell(TrialEnded(job.trial, status, time.perf_counter() - began, *error))


def _attempt(
    lease: Lease, folder: StudyFolder, loaded: Loaded, tell: Tell, stop_asked: Callable[[], bool]
) -> tuple[EndStatus] | tuple[EndStatus, str, str]:
    """How it ended, and with which error."""
    resources = Resources.of(loaded.study)
    try:
        with memory_limit(resources.memory_bytes):
            run_trial(loaded.trials[lease.trial], loaded, folder, lease, tell=tell, stop_asked=stop_asked)
    except Interrupted:
        return ("interrupted",)
    except LeaseExpiredError:
        return ("expired",)
    except DiskFullError as error:
        return "no space", type(error).__name__, str(error)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # the latter two by a user's code
        if is_out_of_memory(error):
            return "failed", OUT_OF_MEMORY, _out_of_memory(resources)
        if not isinstance(error, PrunusError):
            traceback.print_exc()
        return "failed", type(error).__name__, describe(error)
    return ("finished",)


def _out_of_memory(resources: Resources) -> str:
    """What to tell of a trial that asked for more memory than it may have."""
    limit = resources.memory_bytes / 2**30
    may_have = f"more than its {limit:.3g} GiB" if limit else "more than there is"
    return (
        f"The trial asked for memory, {may_have}. A smaller training.batch_size, fewer --workers or a higher "
        "execution.memory_gib help"
    )


def describe(error: BaseException) -> str:
    """An error in at most 500 characters, as a user should read it."""
    text = str(error) if isinstance(error, PrunusError) else user_code.describe(error)
    return text if len(text) <= 500 else f"{text[:499]}…"
