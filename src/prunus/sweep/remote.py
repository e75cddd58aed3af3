"""A worker on any machine that sees the study's folder: does one job and writes what it has to say into that folder."""

from __future__ import annotations

import faulthandler
import json
import signal
from functools import lru_cache
from pathlib import Path

from prunus.errors import PrunusError
from prunus.spec.load import parse_study
from prunus.sweep.blocks import MeasurementBlock
from prunus.sweep.event_log import EventWriter
from prunus.sweep.events import Alive, BlockLost, Event, Refused, TrialEnded, TrialRequeued
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job, Lease
from prunus.sweep.loaded import Loaded, answering, load
from prunus.sweep.provenance import Conditions
from prunus.sweep.worker import StopRequest, carry_out, heartbeat


def work(path: str, job_as_json: str, preempted: StopRequest | None = None) -> None:
    """Do one job for the study in a folder.

    preempted: asked when this process has to go; the trial then leaves a checkpoint and waits to be queued again. If it
    never is, the executor learns so from its cluster.
    """
    folder, job = StudyFolder(Path(path)), Job(**json.loads(job_as_json))
    gone = preempted or StopRequest()
    writer = EventWriter(folder.words(job.token), job.token)
    lease = Lease(job.trial, job.token, folder.lease(job.trial))

    def tell(event: Event) -> None:
        left = gone.asked and isinstance(event, TrialEnded) and event.status == "interrupted"
        writer.tell(TrialRequeued(job.trial) if left else event)

    if not job.trial and not job.block:
        tell(load(folder, tell)[1])
        return
    try:
        loaded = _loaded(folder, folder.conditions.read_bytes())
        if job.trial:
            loaded.look_at(loaded.trials[job.trial])
    except PrunusError as error:
        tell(_cannot_begin(job, error))
        return
    with heartbeat(lambda: tell(Alive()), loaded.study.execution.lease_seconds):
        carry_out(job, folder, loaded, tell, lambda: gone.asked or lease.stop_asked)


@lru_cache(maxsize=1)
def _loaded(folder: StudyFolder, content: bytes) -> Loaded:
    """The study and its data, loaded once by a process that does several jobs; refused under other conditions."""
    conditions = Conditions(**json.loads(content))
    study = parse_study(conditions.study, "The resolved study")
    loaded, answer = answering(folder, lambda: Loaded.of_resolved(study))
    if isinstance(answer, Refused) or loaded is None:
        assert isinstance(answer, Refused)
        raise answer.as_error()
    conditions.refuse(Conditions.here(study, answer.data_digest, answer.files))
    return loaded


def _cannot_begin(job: Job, error: PrunusError) -> Event:
    if job.block:
        return BlockLost(MeasurementBlock(**job.block).name, str(error))
    return TrialEnded(job.trial, "failed", 0.0, type(error).__name__, str(error))


def main(folder: str, job: str) -> None:
    """Do one job in a process of its own."""
    faulthandler.enable()
    request = StopRequest()
    signal.signal(signal.SIGTERM, request)
    work(folder, job, request)
